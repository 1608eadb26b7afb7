import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import type { LabReport } from "../../src/lab/report.ts";
import { nodeRelease } from "../setup/node-release.ts";
import { describeWith } from "../setup/requires.ts";

const run = promisify(execFile);
const MAIN = new URL("../../dist/cli/main.js", import.meta.url).pathname;

await describeWith(["namespaces", "node 22", "node 24", "node 26"], "watch on other Node lines", () => {
  it.concurrent.each([22, 24, 26])("finds a pulled cable and survives an outage on Node %d", { timeout: 90_000 }, async (major) => {
    const args = [MAIN, "lab", "--quick", "--faults", "cable-pulled,outage-2s", "--mechanisms", "watch", "--json"];
    const { stdout } = await run(await nodeRelease(major), args);
    const report = JSON.parse(stdout) as LabReport;
    expect(report.environment.node).toMatch(new RegExp(`^v${major}\\.`));
    expect(report.cells.filter(({ ok }) => !ok)).toEqual([]);
    expect(report.summary.cells).toBeGreaterThan(8);
  });
});
