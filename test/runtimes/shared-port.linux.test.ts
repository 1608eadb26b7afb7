import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { graceMs } from "../setup/grace.ts";
import { nodeRelease } from "../setup/node-release.ts";
import { describeWith } from "../setup/requires.ts";

const PROGRAM = new URL("shared-port.mjs", import.meta.url).pathname;
const BUDGET_MS = 2500;

await describeWith(["node 20.19.0", "node 24"], "workers that serve one port", () => {
  it.concurrent.each([
    ["cluster", "20.19.0"],
    ["cluster", "24"],
    ["threads", "24"],
    ["processes", "24"],
  ])(
    "each watch the connections that they accept: %s, Node %s",
    { timeout: 60_000 },
    async (way, line) => {
      const { stdout } = await promisify(execFile)(await nodeRelease(line), [PROGRAM, way]);
      const { dead, causes, codes, latestMs } = JSON.parse(stdout);
      expect(dead[0] + dead[1]).toBe(40);
      expect(Math.min(...dead)).toBeGreaterThan(0);
      expect({ causes, codes }).toEqual({ causes: ["peer-hung"], codes: ["ERR_PEER_DEAD"] });
      expect(latestMs).toBeLessThan(BUDGET_MS + graceMs());
    },
  );
});
