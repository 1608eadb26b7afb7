import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { nodeRelease } from "../setup/node-release.ts";
import { describeWith } from "../setup/requires.ts";
import { lengthName, longOrShort } from "../setup/run-length.ts";

const PROGRAM = new URL("threads.mjs", import.meta.url).pathname;
/** Five threads a round, of four connections each. */
const ROUNDS = longOrShort(60, 3);
const WITHIN_MS = longOrShort(300_000, 60_000);

const ENDS = ["closes", "exits", "throws", "is terminated"];
const ALL_WATCHED = Object.fromEntries(ENDS.map((end) => [end, ["kernel, ESTABLISHED"]]));

async function told(line: string, mask = ""): Promise<unknown> {
  const env = { ...process.env, HALFOPEN_MASK: mask };
  const { stdout } = await promisify(execFile)(
    await nodeRelease(line),
    ["--no-warnings", PROGRAM, `${ROUNDS}`],
    { env },
  );
  return JSON.parse(stdout);
}

await describeWith(
  ["node 20.19.0", "node 22", "node 24", "node 26"],
  `Worker threads that watch (${lengthName})`,
  () => {
    it.concurrent.each([
      ["20.19.0", "koffi"],
      ["22", "koffi"],
      ["24", "koffi"],
      ["26", "koffi"],
      ["26", "node:ffi"],
    ])(
      "end in every way without a crash, a descriptor left open or harm to others (Node %s, %s)",
      { timeout: WITHIN_MS },
      async (line, backEnd) => {
        const mask = backEnd === "koffi" ? "" : "koffi";
        expect(await told(line, mask)).toEqual({
          backEnd,
          state: "alive",
          leaked: [],
          told: ALL_WATCHED,
        });
      },
    );
  },
);
