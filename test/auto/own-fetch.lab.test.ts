import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { nodeRelease } from "../setup/node-release.ts";
import { describeWith } from "../setup/requires.ts";

const run = promisify(execFile);
const AUTO = new URL("../../dist/auto/index.js", import.meta.url).href;
const PROGRAM = new URL("own-fetch.mjs", import.meta.url).pathname;

await describeWith(["node 22", "node 24", "node 26"], "Node's own fetch and WebSocket", () => {
  it.concurrent.each(["22", "24", "26"])(
    "are watched under halfopen/auto, on Node %s",
    async (release) => {
      const args = ["--import", AUTO, PROGRAM];
      const { stdout } = await run(await nodeRelease(release), args, { timeout: 20_000 });
      expect(JSON.parse(stdout)).toEqual({
        fetch: true,
        http2: true,
        webSocket: true,
        watchWs: "ERR_NOT_SUPPORTED",
      });
    },
  );
});
