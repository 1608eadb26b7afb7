import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { nodeRelease } from "../setup/node-release.ts";
import { describeWith } from "../setup/requires.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const PROGRAM = `${ROOT}test/runtimes/peer-resets.mjs`;
/** The options with which each line switches the permission model on and allows the network. */
const LINES: Readonly<Record<string, readonly string[]>> = {
  "20.19.0": ["--experimental-permission"],
  22: ["--permission"],
  24: ["--permission"],
  26: ["--permission", "--allow-net"],
};

async function told(line: string, ...allowed: string[]): Promise<unknown> {
  const args = [
    "--no-warnings",
    ...(LINES[line] ?? []),
    `--allow-fs-read=${ROOT}`,
    ...allowed,
    PROGRAM,
  ];
  // Rejects for any exit code but 0.
  const { stdout } = await promisify(execFile)(await nodeRelease(line), args);
  return JSON.parse(stdout);
}

await describeWith(
  ["node 20.19.0", "node 22", "node 24", "node 26"],
  "under Node's permission model",
  () => {
    it.each(Object.keys(LINES))(
      "without permission for native addons it says so and watches at a lower level (Node %s)",
      async (line) => {
        const why = expect.stringMatching(
          /permission model forbids native addons; start Node with --allow-addons/,
        );
        expect(await told(line)).toEqual({
          level: "core",
          cause: "peer-reset",
          backEnd: null,
          why,
        });
      },
    );

    it.each(Object.keys(LINES))(
      "with permission for native addons it has every feature (Node %s)",
      async (line) => {
        expect(await told(line, "--allow-addons")).toEqual({
          level: "kernel",
          cause: "peer-reset",
          backEnd: "koffi",
          why: null,
        });
      },
    );

    it("permission for node:ffi is enough instead (Node 26)", async () => {
      expect(await told("26", "--allow-ffi")).toEqual({
        level: "kernel",
        cause: "peer-reset",
        backEnd: "node:ffi",
        why: null,
      });
    });
  },
);
