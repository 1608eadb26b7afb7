import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { nodeRelease } from "../setup/node-release.ts";
import { describeWith } from "../setup/requires.ts";

const run = promisify(execFile);
const AUTO = new URL("../../dist/auto/index.js", import.meta.url).href;
const SCENES = new URL("scenes.mjs", import.meta.url).pathname;

await describeWith(["node 24", "node 26"], "a socket that is sent to a thread", () => {
  it.concurrent.each(["24", "26"])(
    "is watched there under halfopen/auto, on Node %s",
    async (release) => {
      const args = ["--import", AUTO, SCENES, "sent to a thread"];
      const { stdout } = await run(await nodeRelease(release), args, { timeout: 20_000 });
      expect(JSON.parse(stdout)).toBe(true);
    },
  );
});
