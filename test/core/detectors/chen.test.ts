import { describe, expect, it } from "vitest";
import {
  configureNfdS,
  configureNfdSFromMoments,
  configureNfdU,
} from "../../../src/core/detectors/chen-configuration.ts";
import { chenQos } from "../../../src/core/detectors/chen-qos.ts";
import { exponentialDelay } from "../../../src/core/detectors/delay-law.ts";
import {
  leastAttempts,
  leastMistakesPerHour,
  leastSilenceMs,
} from "../../../src/core/detectors/silence-bound.ts";
import { silenceProbability } from "../../../src/core/detectors/silence-probability.ts";

/**
 * Chen, Toueg, Aguilera 2002: detect within 30 s, one mistake in 30 days, corrected within 60 s; 1
 * % loss, mean delay 20 ms.
 */
const requirement = {
  detectWithinMs: 30_000,
  betweenMistakesMs: 30 * 86_400_000,
  mistakeMs: 60_000,
};

describe("Chen's published example", () => {
  it("gives a heartbeat every 9.97 s when the delay is known to be exponential", () => {
    const found = configureNfdS(requirement, 0.01, exponentialDelay(0, 20));
    expect(Math.floor((found?.intervalMs ?? 0) / 10) / 100).toBe(9.97);
    expect((found?.shiftMs ?? 0) / 1000).toBeCloseTo(20.02, 2);
  });

  it("gives a heartbeat every 9.71 s when only mean and variance are known", () => {
    const found = configureNfdSFromMoments(requirement, 0.01, { meanMs: 20, variance: 0.02e6 });
    expect((found?.intervalMs ?? 0) / 1000).toBeCloseTo(9.71, 2);
    expect((found?.shiftMs ?? 0) / 1000).toBeCloseTo(20.29, 2);
  });

  it("gives 9.717 s and a margin of 20.283 s for clocks that differ", () => {
    const found = configureNfdU(requirement, 0.01, 0.02e6);
    expect((found?.intervalMs ?? 0) / 1000).toBeCloseTo(9.7166, 3);
    expect((found?.shiftMs ?? 0) / 1000).toBeCloseTo(20.2834, 3);
  });

  it("keeps the requirement by the exact formulas, which no longer interval does", () => {
    const delay = exponentialDelay(0, 20);
    const found = configureNfdS(requirement, 0.01, delay);
    if (!found) throw new Error("no configuration");
    const qos = chenQos({ ...found, delay, loss: 0.01 });
    expect(qos.detectionBoundMs).toBeCloseTo(30_000, 6);
    expect(qos.meanBetweenMistakesMs).toBeGreaterThanOrEqual(requirement.betweenMistakesMs * 0.999);
    expect(qos.meanMistakeMs).toBeLessThanOrEqual(requirement.mistakeMs);
    const longer = chenQos({
      intervalMs: found.intervalMs * 1.01,
      shiftMs: 30_000 - found.intervalMs * 1.01,
      delay,
      loss: 0.01,
    });
    expect(longer.meanBetweenMistakesMs).toBeLessThan(requirement.betweenMistakesMs);
  });

  it("is refused when no interval can keep the requirement", () => {
    expect(
      configureNfdS({ ...requirement, detectWithinMs: 15 }, 0.99, exponentialDelay(0, 20)),
    ).toBeNull();
    expect(
      configureNfdSFromMoments({ ...requirement, detectWithinMs: 15 }, 0.01, {
        meanMs: 20,
        variance: 1,
      }),
    ).toBeNull();
  });
});

describe("the exact quality of NFD-S", () => {
  it("agrees with a simulation of 2e7 periods: E(T_MR) 1106.8 s", () => {
    const qos = chenQos({
      intervalMs: 1000,
      shiftMs: 1050,
      loss: 0.01,
      delay: exponentialDelay(0, 20),
    });
    expect(qos.meanBetweenMistakesMs / 1000).toBeCloseTo(1106.8, 1);
    expect(1 - qos.meanMistakeMs / qos.meanBetweenMistakesMs).toBeCloseTo(qos.queryAccuracy, 9);
  });

  it("meets the lower bound: no detector errs less often", () => {
    for (const loss of [0.02, { meanBurstMs: 400, burstShare: 0.01, lossBetween: 0.001 }]) {
      const delay = exponentialDelay(30, 10);
      const qos = chenQos({ intervalMs: 100, shiftMs: 330, delay, loss });
      const bound = leastMistakesPerHour({ detectWithinMs: 430, intervalMs: 100, delay, loss });
      expect(qos.mistakesPerHour / bound).toBeCloseTo(1, 9);
    }
  });
});

describe("the lower bound", () => {
  it("needs as many attempts as the table of docs/internals/bounds.md#least-attempts", () => {
    const table: [number, number[]][] = [
      [0.001, [1, 2, 2, 3]],
      [0.01, [2, 2, 3, 5]],
      [0.05, [3, 4, 5, 7]],
      [0.1, [3, 4, 6, 9]],
      [0.2, [5, 6, 9, 13]],
    ];
    for (const [loss, attempts] of table)
      expect([1e-3, 1e-4, 1e-6, 1e-9].map((accepted) => leastAttempts(accepted, loss))).toEqual(
        attempts,
      );
  });

  it("is the length of bursts, which no number of attempts shortens", () => {
    const loss = { meanBurstMs: 500, burstShare: 0.01, lossBetween: 0.001 };
    const over2s = (k: number): number =>
      silenceProbability(
        loss,
        Array.from({ length: k }, (_, i) => ({ atMs: (2000 * i) / (k - 1), lateness: 0 })),
      );
    // docs/internals/bounds.md#bursts: 2.95e-4, 2.02e-4, 1.89e-4, 1.83e-4 for 2, 3, 5, 50 attempts.
    expect([2, 3, 5, 50].map((k) => Number(over2s(k).toExponential(2)))).toEqual([
      2.95e-4, 2.02e-4, 1.89e-4, 1.83e-4,
    ]);
    expect(leastSilenceMs(1.83e-4, loss)).toBeCloseTo(2000, -1);
  });
});
