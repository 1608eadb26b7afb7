import { describe, expect, it } from "vitest";
import { longOrShort } from "../../setup/run-length.ts";
import { countFalseAlarms, estimateFalseAlarms } from "./false-alarm-rate.ts";
import type { LossyPath } from "./lossy-paths.ts";

/** The promise: one in a million connection-hours. */
const PROMISED_AN_HOUR = 1e-6;
/** In bursts of 100 ms, with data in flight: docs/when-it-fires.md#data-in-flight-and-bursts. */
const PROMISED_IN_BURSTS = 2e-6;
const SEED = Number(process.env.HALFOPEN_SEED ?? 20_261_129);
/** Connection-hours by brute force for each cell. 10,000 take about a day on one processor. */
const HOURS = Number(
  process.env.HALFOPEN_HOURS ?? (process.env.HALFOPEN_RELEASE === "1" ? 1000 : 2),
);
const MINUTE_MS = 60_000;
const KNOWN = [20 * MINUTE_MS, 30 * MINUTE_MS] as const;
const FIRST_MINUTE = [1500, MINUTE_MS] as const;

const budgets = longOrShort([2500, 3500, 5000, 10_000], [2500, 10_000]);
const losses = longOrShort([0.001, 0.01, 0.02, 0.05, 0.1, 0.2], [0.01, 0.05, 0.2]);
const traffics = [
  { name: "idle", writeEveryMs: null, burstMs: 0 },
  { name: "talking", writeEveryMs: 300, burstMs: 0 },
  { name: "idle, bursts of 100 ms", writeEveryMs: null, burstMs: 100 },
  { name: "talking, bursts of 100 ms", writeEveryMs: 300, burstMs: 100 },
];
const RTT_MS = 10;

function path(lossRatio: number, burstMs: number): LossyPath {
  return { lossRatio, burstMs };
}

describe("false alarms by packet loss, as a rate", () => {
  it("are the same by importance sampling as by brute force", () => {
    // A promise poor enough to count false alarms: one in ten connection-hours.
    const options = { falseAlarmsPerYear: 876.6 };
    for (const burstMs of [0, 100]) {
      const cell = {
        budgetMs: 2500,
        path: path(0.1, burstMs),
        rttMs: RTT_MS,
        writeEveryMs: null,
        options,
      };
      const counted = countFalseAlarms(cell, 1500, 1 / 6, SEED);
      const { perHour } = estimateFalseAlarms(cell, 2000, [1500, 10 * MINUTE_MS], SEED);
      const rate = counted.deaths / counted.hours;
      console.log(
        `bursts ${burstMs} ms: counted ${counted.deaths} in ${counted.hours.toFixed(0)} h = ${rate.toFixed(4)} an hour, estimated ${perHour.toFixed(4)}`,
      );
      expect(counted.deaths).toBeGreaterThan(20);
      expect(perHour / rate).toBeGreaterThan(0.5);
      expect(perHour / rate).toBeLessThan(2);
    }
  }, 120_000);

  for (const { name, writeEveryMs, burstMs } of traffics)
    it(`are as rare as promised on a known path: ${name}`, () => {
      for (const budgetMs of budgets)
        for (const lossRatio of losses) {
          const cell = { budgetMs, path: path(lossRatio, burstMs), rttMs: RTT_MS, writeEveryMs };
          const known = estimateFalseAlarms(cell, 60, KNOWN, SEED);
          const first = estimateFalseAlarms(cell, 100, FIRST_MINUTE, SEED);
          const counted = countFalseAlarms(cell, Math.ceil(HOURS / 10), Math.min(HOURS, 10), SEED);
          const row = `${name}, ${budgetMs} ms, ${100 * lossRatio} %`;
          console.log(
            `${row}: known ${known.perHour.toExponential(1)} an hour, first minute ${(first.perHour / 60).toExponential(1)}, counted ${counted.deaths} in ${Math.round(counted.hours)} h; found after ${Math.round(known.detectionMs.p50)} to ${Math.round(known.detectionMs.max)} ms by ${known.attempts.toFixed(1)} attempts`,
          );
          expect(counted.deaths, row).toBe(0);
          const hasBursts = writeEveryMs !== null && burstMs > 0;
          const promised = hasBursts ? PROMISED_IN_BURSTS : PROMISED_AN_HOUR;
          expect(known.perHour, row).toBeLessThan(promised);
          // Nothing is known about a new path. Seven attempts prove death there; on a path that
          // loses a fifth, all seven may be lost once in a few thousand starts.
          expect(first.perHour / 60, row).toBeLessThan(lossRatio > 0.1 ? 5e-4 : 2e-5);
        }
    }, 3_600_000);
});
