import { expect, it } from "vitest";
import type { Fault } from "../../src/lab/fault.ts";
import { FAULTS } from "../../src/lab/faults.ts";
import { runFault } from "../../src/lab/run-fault.ts";
import { runLab } from "../../src/lab/run-lab.ts";
import type { CellPlan } from "../../src/lab/track.ts";
import { World } from "../../src/lab/world.ts";
import { describeWith } from "../setup/requires.ts";
import { lengthName, longOrShort } from "../setup/run-length.ts";
import { problemsOf } from "./problems.ts";

function watchCells(traffic: CellPlan["traffic"], count: number): CellPlan[] {
  return Array.from(
    { length: count },
    (_, i): CellPlan => ({
      mechanism: "watch",
      traffic,
      family: i % 2 === 0 ? 4 : 6,
      tls: i % 5 === 4,
    }),
  );
}

function fault(id: string): Fault {
  const found = FAULTS.find((one) => one.id === id);
  if (!found) throw new Error(`no fault ${id}`);
  return found;
}

/**
 * Runs connections under one fault in a world of their own, and returns their false alarms.
 */
async function falseAlarms(
  what: Fault,
  cells: readonly CellPlan[],
  budgetMs = 5000,
): Promise<string[]> {
  await using world = await World.open();
  const results = await runFault(world, {
    fault: what,
    cells,
    budgetMs,
    isQuick: false,
    observeMs: 0,
  });
  expect(results).toHaveLength(cells.length);
  return results
    .filter((cell) => cell.falseAlarm)
    .map(
      (cell) => `${cell.traffic} after ${cell.detectedMs} ms: ${cell.diagnosis?.why.join("; ")}`,
    );
}

await describeWith(["namespaces"], "watch declares no live peer dead", () => {
  it.concurrent("when the peer stops, does not read or has an outage, or when the watching process stands still", {
    timeout: 90_000,
  }, async () => {
    const faults = [
      "outage-2s",
      "event-loop-blocked",
      "process-stopped",
      "peer-stopped",
      "peer-stopped-streaming",
      "peer-not-reading",
    ];
    const report = await runLab({ faults, mechanisms: ["watch"] });
    expect(problemsOf(report.cells)).toEqual([]);
  });

  const lossMs = longOrShort(120_000, 45_000);
  it.concurrent(`when 10 % of round trips are lost for ${lossMs / 1000} s on 50 connections (${lengthName})`, {
    timeout: lossMs + 60_000,
  }, async () => {
    const lossy = { ...fault("random-loss-10"), lastsMs: () => lossMs };
    expect(
      await falseAlarms(lossy, [...watchCells("idle", 25), ...watchCells("in-flight", 25)]),
    ).toEqual([]);
  });

  const idleMs = longOrShort(600_000, 60_000);
  it.concurrent(`on 200 idle connections in ${idleMs / 1000} s (${lengthName})`, {
    timeout: idleMs + 60_000,
  }, async () => {
    const calm: Fault = {
      ...fault("outage-2s"),
      id: "calm",
      lastsMs: () => idleMs,
      strike: async () => {},
    };
    expect(await falseAlarms(calm, watchCells("idle", 200))).toEqual([]);
  });
});
