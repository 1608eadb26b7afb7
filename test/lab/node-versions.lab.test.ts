import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import type { LabReport } from "../../src/lab/report.ts";
import { nodeRelease } from "../setup/node-release.ts";
import { describeWith } from "../setup/requires.ts";

const run = promisify(execFile);
const MAIN = new URL("../../dist/cli/main.js", import.meta.url).pathname;

await describeWith(
  ["namespaces", "node 20.19.0", "node 22", "node 24", "node 26"],
  "watch on other Node lines",
  () => {
    it.concurrent.each([
      ["20.19.0", "koffi"],
      ["22", "koffi"],
      ["24", "koffi"],
      ["26", "koffi"],
      ["26", "node:ffi"],
    ])(
      "finds a pulled cable and survives an outage on Node %s with %s",
      { timeout: 90_000 },
      async (release, backEnd) => {
        const args = [
          "--no-warnings",
          MAIN,
          "lab",
          "--quick",
          "--faults",
          "cable-pulled,outage-2s",
          "--mechanisms",
          "watch",
          "--json",
        ];
        const env = { ...process.env, HALFOPEN_MASK: backEnd === "koffi" ? "node:ffi" : "koffi" };
        const { stdout } = await run(await nodeRelease(release), args, { env });
        const report = JSON.parse(stdout) as LabReport;
        expect(report.environment.node).toMatch(new RegExp(`^v${release}\\b`));
        expect(report.cells.filter(({ ok }) => !ok)).toEqual([]);
        expect(report.summary.cells).toBeGreaterThan(8);
      },
    );
  },
);
