import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const run = promisify(execFile);
const PROGRAM = new URL("first-connection.mjs", import.meta.url).pathname;

it.each(["watchAll", "watchServer"])(
  "%s tries the kernel when it is called, so the first connection is not held up",
  async (watching) => {
    const { stdout } = await run(process.execPath, [PROGRAM, watching]);
    const { atStart, later, isWatched } = JSON.parse(stdout);
    expect(isWatched).toBe(true);
    expect(atStart.libraries).toBe(1);
    expect(atStart.naps).toBeGreaterThan(0);
    expect(later).toEqual(atStart);
  },
);
