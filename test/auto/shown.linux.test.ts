import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const run = promisify(execFile);
const AUTO = new URL("../../dist/auto/index.js", import.meta.url).href;
const SHOWN = new URL("shown.mjs", import.meta.url).pathname;

async function shown(...options: string[]): Promise<Record<string, unknown>> {
  const { stdout } = await run(process.execPath, [...options, SHOWN]);
  return JSON.parse(stdout);
}

it("a watched program sees of its sockets and servers what an unwatched one sees, from before 'connect' to after 'close'", async () => {
  const alone = await shown();
  expect(Object.keys(alone)).toHaveLength(21);
  expect(await shown("--import", AUTO)).toEqual(alone);
});
