import { expect, it } from "vitest";
import { FAULTS } from "../../src/lab/faults.ts";
import { foundWithinMs, watchPlan, watchWithinMs } from "../../src/lab/predicted.ts";
import { CALM_GRACE_MS } from "../../src/lab/pressure.ts";
import { runLab } from "../../src/lab/run-lab.ts";
import { graceMs } from "../setup/grace.ts";
import { describeWith } from "../setup/requires.ts";
import { longOrShort } from "../setup/run-length.ts";
import { problemsOf } from "./problems.ts";

const CUTS = FAULTS.filter(({ effect }) => effect === "cuts");
/** Faults that leave `watch` its usual time. */
const USUAL = CUTS.filter(({ foundWithinMs }) => !foundWithinMs).map(({ id }) => id);

/**
 * Difference between two cells that the phase of their traffic alone can make. The answer to the
 * next segment reveals a reboot. That segment is a write (each 100 ms) or the retransmission of a
 * lost one (after at least 200 ms).
 */
const PHASE_OF_TRAFFIC_MS = 300;

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

await describeWith(
  ["namespaces", "nft", "conntrack"],
  "when the peer is cut off or ends, watch",
  () => {
    it.each([5000, 2500])(
      "finds every peer that is gone without a word within %d ms, or the time the proof takes, plus 250 ms, and diagnoses it",
      { timeout: 90_000 },
      async (budgetMs) => {
        const report = await runLab({
          faults: CUTS.map(({ id }) => id),
          mechanisms: ["watch"],
          detectWithinMs: budgetMs,
        });
        expect(report.skipped).toEqual([]);
        expect(problemsOf(report.cells)).toEqual([]);
        expect(report.summary.asPredicted, "cells as predicted").toBe(report.summary.predicted);
        // Every fault with each of its traffics, over IPv4 and IPv6, plain and TLS.
        expect(report.cells.length).toBe(
          4 * CUTS.reduce((sum, { traffics }) => sum + traffics.length, 0),
        );
        const idle = median(
          report.cells
            .filter(({ fault, traffic }) => traffic === "idle" && USUAL.includes(fault))
            .map(({ detectedMs }) => detectedMs ?? Number.POSITIVE_INFINITY),
        );
        console.log(
          `budget ${budgetMs} ms: median detection of an idle connection ${idle} ms (${(idle / budgetMs).toFixed(2)} of the budget)`,
        );
        // A cut comes anywhere between two probes. So the median is half the probe distance sooner
        // than the latest detection. The dozen phases of the faults leave a seventh of the distance
        // uncertain.
        const { idleMs } = watchPlan(budgetMs);
        expect(idle).toBeLessThanOrEqual(watchWithinMs(budgetMs) + (2.5 / 7 - 0.5) * idleMs);
      },
    );

    it.each(longOrShort([500, 300], [500]))(
      "finds them within %d ms plus 50 ms with a heartbeat, and diagnoses them",
      { timeout: 90_000 },
      async (budgetMs) => {
        // A closed window, a black hole of large segments or our own stop lets no heartbeat out.
        const prompt = CUTS.filter((fault) => foundWithinMs(fault, "idle", budgetMs) === budgetMs);
        const report = await runLab({
          faults: prompt.map(({ id }) => id),
          mechanisms: ["watch"],
          detectWithinMs: budgetMs,
          observeMs: 1500,
          sideBySide: 5,
        });
        expect(problemsOf(report.cells)).toEqual([]);
        const times = report.cells
          .map(({ detectedMs }) => detectedMs ?? Number.POSITIVE_INFINITY)
          .sort((a, b) => a - b);
        console.log(
          `budget ${budgetMs} ms: ${times.length} cells found after ${median(times)} ms (median), ${times.at(-1)} ms (last)`,
        );
        const lateMs = graceMs() - CALM_GRACE_MS;
        expect(times.at(-1)).toBeLessThanOrEqual(budgetMs + 50 + lateMs);
      },
    );

    it("reports a reboot and a killed process as soon as a plain socket does", {
      timeout: 60_000,
    }, async () => {
      const report = await runLab({
        faults: ["peer-rebooted", "peer-killed"],
        mechanisms: ["none", "watch"],
        traffics: ["in-flight"],
      });
      expect(problemsOf(report.cells)).toEqual([]);
      for (const id of ["peer-rebooted", "peer-killed"]) {
        const times = (mechanism: string): number[] =>
          report.cells
            .filter((cell) => cell.fault === id && cell.mechanism === mechanism)
            .map(({ detectedMs }) => detectedMs ?? Number.POSITIVE_INFINITY);
        expect(Math.max(...times("watch"))).toBeLessThanOrEqual(
          Math.max(...times("none")) + PHASE_OF_TRAFFIC_MS,
        );
      }
    });
  },
);
