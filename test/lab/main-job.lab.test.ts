import { expect, it } from "vitest";
import { FAULTS, type Fault } from "../../src/lab/faults.ts";
import type { LabCell } from "../../src/lab/report.ts";
import { type CellPlan, runFault } from "../../src/lab/run-fault.ts";
import { runLab } from "../../src/lab/run-lab.ts";
import { World } from "../../src/lab/world.ts";
import { describeWith } from "../setup/requires.ts";
import { lengthName, longOrShort } from "../setup/run-length.ts";

const CUTS = FAULTS.filter(({ effect }) => effect === "cuts").map(({ id }) => id);

function problemsOf(cells: readonly LabCell[]): string[] {
  return cells
    .filter(({ ok }) => !ok)
    .map((cell) => `${cell.fault} ${cell.traffic} IPv${cell.family}${cell.tls ? " TLS" : ""}: ${cell.problem}`);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function watchCells(traffic: CellPlan["traffic"], count: number): CellPlan[] {
  return Array.from(
    { length: count },
    (_, i): CellPlan => ({ mechanism: "watch", traffic, family: i % 2 === 0 ? 4 : 6, tls: i % 5 === 4 }),
  );
}

function fault(id: string): Fault {
  const found = FAULTS.find((one) => one.id === id);
  if (!found) throw new Error(`no fault ${id}`);
  return found;
}

/** Runs connections of one fault in a world of their own and returns the false alarms among them. */
async function falseAlarms(what: Fault, cells: readonly CellPlan[], budgetMs = 5000): Promise<string[]> {
  await using world = await World.open();
  const results = await runFault(world, { fault: what, cells, budgetMs, isQuick: false, observeMs: 0 });
  expect(results).toHaveLength(cells.length);
  return results
    .filter((cell) => cell.falseAlarm)
    .map((cell) => `${cell.traffic} after ${cell.detectedMs} ms: ${cell.diagnosis?.why.join("; ")}`);
}

await describeWith(["namespaces", "nft", "conntrack"], "the cable is pulled, and watch", () => {
  it.concurrent.each([5000, 2500])(
    "finds every peer that is gone without a word within %d ms plus 250, and says why",
    { timeout: 90_000 },
    async (budgetMs) => {
      const report = await runLab({ faults: CUTS, mechanisms: ["watch"], detectWithinMs: budgetMs });
      expect(report.skipped).toEqual([]);
      expect(problemsOf(report.cells)).toEqual([]);
      // Every fault in both traffics where it has both, IPv4 and IPv6, plain and TLS.
      expect(report.cells.length).toBe(
        4 * FAULTS.filter(({ effect }) => effect === "cuts").reduce((sum, { traffics }) => sum + traffics.length, 0),
      );
      const idle = median(
        report.cells.filter(({ traffic }) => traffic === "idle").map(({ detectedMs }) => detectedMs ?? Number.POSITIVE_INFINITY),
      );
      console.log(
        `budget ${budgetMs} ms: median detection of an idle connection ${idle} ms (${(idle / budgetMs).toFixed(2)} of the budget)`,
      );
      expect(idle).toBeLessThanOrEqual(0.9 * budgetMs);
    },
  );

  it.concurrent("hears of a reboot and of a killed process from the kernel, as soon as a plain socket does", {
    timeout: 60_000,
  }, async () => {
    const report = await runLab({ faults: ["peer-rebooted", "peer-killed"], mechanisms: ["none", "watch"], traffics: ["in-flight"] });
    expect(problemsOf(report.cells)).toEqual([]);
    for (const id of ["peer-rebooted", "peer-killed"]) {
      const times = (mechanism: string): number[] =>
        report.cells
          .filter((cell) => cell.fault === id && cell.mechanism === mechanism)
          .map(({ detectedMs }) => detectedMs ?? Number.POSITIVE_INFINITY);
      expect(Math.max(...times("watch"))).toBeLessThanOrEqual(Math.max(...times("none")) + 100);
    }
  });

  it.concurrent.each(["outage-2s", "event-loop-blocked", "process-stopped", "peer-stopped", "peer-stopped-streaming", "peer-not-reading"])(
    "gives nobody up: %s",
    { timeout: 90_000 },
    async (id) => {
      const report = await runLab({ faults: [id], mechanisms: ["watch"] });
      expect(problemsOf(report.cells)).toEqual([]);
    },
  );

  const lossMs = longOrShort(120_000, 45_000);
  it.concurrent(`gives nobody up while 10 % of round trips are lost for ${lossMs / 1000} s on 50 connections (${lengthName})`, {
    timeout: lossMs + 60_000,
  }, async () => {
    const lossy = { ...fault("random-loss-10"), lastsMs: () => lossMs };
    expect(await falseAlarms(lossy, [...watchCells("idle", 25), ...watchCells("in-flight", 25)])).toEqual([]);
  });

  const idleMs = longOrShort(600_000, 60_000);
  it.concurrent(`gives nobody up of 200 idle connections in ${idleMs / 1000} s (${lengthName})`, { timeout: idleMs + 60_000 }, async () => {
    const calm: Fault = { ...fault("outage-2s"), id: "calm", lastsMs: () => idleMs, strike: async () => {} };
    expect(await falseAlarms(calm, watchCells("idle", 200))).toEqual([]);
  });
});
