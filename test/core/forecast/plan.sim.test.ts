import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HalfOpenError } from "../../../src/core/errors.ts";
import { keepaliveFalseAlarmsPerYear } from "../../../src/core/forecast/false-alarms.ts";
import { plan } from "../../../src/core/forecast/plan.ts";
import type { KeepaliveTimers, Requirement } from "../../../src/core/forecast/requirement.ts";
import { LossProcess } from "../../../src/testing/loss-process.ts";
import { seededRandom } from "../../../src/testing/seeded-random.ts";

const YEAR_MS = 31_557_600_000;
const SEED = Number(process.env.HALFOPEN_SEED ?? 20_261_123);

/**
 * Simulates keepalive on a live connection over this path: counts how often the connection is given
 * up in `cycles` cycles, and how long the cycles take.
 */
function simulate(
  timers: KeepaliveTimers,
  loss: NonNullable<Requirement["loss"]>,
  cycles: number,
  seed: number,
): { givenUp: number; ms: number } {
  const random = seededRandom(seed);
  const path = new LossProcess(loss, random);
  const cycleMs = Math.max(timers.idleMs, timers.intervalMs);
  let [at, unanswered, givenUp] = [0, 0, 0];
  for (let cycle = 0; cycle < cycles; ) {
    at += unanswered === 0 ? cycleMs : timers.intervalMs;
    const isAnswered = !path.isLost(at) && !path.isLost(at);
    unanswered = isAnswered ? 0 : unanswered + 1;
    if (unanswered === timers.count) {
      givenUp++;
      unanswered = 0;
    }
    if (unanswered === 0) cycle++;
  }
  return { givenUp, ms: at };
}

const shares = fc.double({ min: 0.02, max: 0.3, noNaN: true });
const bursts = fc.record({
  meanBurstMs: fc.integer({ min: 200, max: 3000 }),
  burstShare: fc.double({ min: 0.01, max: 0.1, noNaN: true }),
  lossBetween: fc.double({ min: 0, max: 0.02, noNaN: true }),
});

describe("a plan", () => {
  it("keeps its promise of false alarms in simulation, for 100 random requirements", () => {
    const requirements = fc.record({
      detectWithinMs: fc.integer({ min: 5000, max: 60_000 }),
      loss: fc.oneof(shares, bursts),
      connections: fc.integer({ min: 1, max: 1000 }),
      // Enough false alarms to occur in a simulation of a year or two
      falseAlarmsPerYear: fc.integer({ min: 1000, max: 3_000_000 }),
    });
    let feasible = 0;
    fc.assert(
      fc.property(requirements, fc.nat(), (requirement, seed) => {
        const { keepalive, predicted } = plan(requirement);
        if (!keepalive) return;
        feasible++;
        const { givenUp, ms } = simulate(keepalive, requirement.loss, 40_000, seed);
        const promised =
          (requirement.falseAlarmsPerYear / requirement.connections) * (ms / YEAR_MS);
        const foretold =
          ((predicted.falseAlarmsPerYear ?? 0) / requirement.connections) * (ms / YEAR_MS);
        // At most six standard deviations of the count above the promise. The plan foretells no
        // more than it promises
        expect(givenUp).toBeLessThanOrEqual(promised + 6 * Math.sqrt(promised) + 6);
        expect(foretold).toBeLessThanOrEqual(promised);
      }),
      { numRuns: 100, seed: SEED },
    );
    console.log(`seed ${SEED}: ${feasible} of 100 requirements were feasible and kept`);
    expect(feasible).toBeGreaterThan(40);
  });

  it("foretells the simulated false alarms within a factor of two, with and without bursts", () => {
    const settings: [KeepaliveTimers, NonNullable<Requirement["loss"]>][] = [
      [{ idleMs: 1000, intervalMs: 1000, count: 2 }, 0.05],
      [{ idleMs: 2000, intervalMs: 1000, count: 3 }, 0.1],
      [{ idleMs: 10_000, intervalMs: 1000, count: 4 }, 0.2],
      [{ idleMs: 1000, intervalMs: 3000, count: 2 }, 0.1],
      [{ idleMs: 5000, intervalMs: 2000, count: 5 }, 0.3],
      [
        { idleMs: 2000, intervalMs: 1000, count: 3 },
        { meanBurstMs: 500, burstShare: 0.05 },
      ],
      [
        { idleMs: 2000, intervalMs: 1000, count: 3 },
        { meanBurstMs: 3000, burstShare: 0.02 },
      ],
      [
        { idleMs: 1000, intervalMs: 2000, count: 2 },
        { meanBurstMs: 1000, burstShare: 0.1, lossBetween: 0.02 },
      ],
      [
        { idleMs: 30_000, intervalMs: 1000, count: 5 },
        { meanBurstMs: 2000, burstShare: 0.05, lossInBurst: 0.9 },
      ],
      [
        { idleMs: 5000, intervalMs: 1000, count: 2 },
        { meanBurstMs: 300, burstShare: 0.01, lossBetween: 0.05 },
      ],
    ];
    for (const [i, [timers, loss]] of settings.entries()) {
      const { givenUp, ms } = simulate(timers, loss, 400_000, SEED + i);
      const foretold = (keepaliveFalseAlarmsPerYear(timers, loss, 1) * ms) / YEAR_MS;
      expect(givenUp, `setting ${i}, seed ${SEED + i}`).toBeGreaterThan(50);
      expect(foretold / givenUp).toBeGreaterThan(0.5);
      expect(foretold / givenUp).toBeLessThan(2);
    }
  });

  it("finds a dead peer in time if feasible, and prefers the least traffic", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2000, max: 600_000 }),
        fc.integer({ min: 1, max: 300 }),
        (detectWithinMs, rttMs) => {
          const { feasible, predicted, keepalive } = plan({ detectWithinMs, rttMs, loss: 0.001 });
          if (!feasible) return;
          expect(predicted.detection.idle?.worstMs).toBeLessThanOrEqual(detectWithinMs);
          expect(keepalive?.idleMs).toBeGreaterThanOrEqual(1000);
        },
      ),
    );
    const lax = plan({ detectWithinMs: 120_000, loss: 0.01 });
    expect(lax.keepalive?.idleMs).toBeGreaterThan(60_000);
  });

  it("names the bound that forbids an impossible requirement, and the nearest possible one", () => {
    const lossy = plan({ detectWithinMs: 3000, loss: 0.1, connections: 1000 });
    expect(lossy).toMatchObject({
      feasible: false,
      keepalive: null,
      forbiddenBy: expect.stringContaining("19.00 % of round trips lost need"),
    });
    expect(
      plan({ detectWithinMs: lossy.nearestDetectWithinMs ?? 0, loss: 0.1, connections: 1000 })
        .feasible,
    ).toBe(true);
    const bursty = plan({ detectWithinMs: 5000, loss: { meanBurstMs: 2000, burstShare: 0.05 } });
    expect(bursty.forbiddenBy).toMatch(/no detector can decide sooner/);
    const windows = plan({ detectWithinMs: 5000, loss: 0, platform: "win32" });
    expect(windows.forbiddenBy).toMatch(/10 probes/);
    // watch does better only where the keepalive's own limits forbid the plan
    expect(windows.watch).toEqual({ detectWithinMs: 5000 });
    for (const { watch } of [lossy, bursty]) expect(watch).toBeNull();
  });

  it("keeps the longest outage that is to be survived, or names it as the obstacle", () => {
    const calm = { detectWithinMs: 20_000, loss: 0.001 };
    const { keepalive, userTimeoutMs, watch, predicted } = plan({ ...calm, surviveOutageMs: 8000 });
    expect(((keepalive?.count ?? 0) - 1) * (keepalive?.intervalMs ?? 0)).toBeGreaterThanOrEqual(
      8000,
    );
    expect(userTimeoutMs).toBeGreaterThanOrEqual(16_000);
    expect(predicted.detection.idle?.worstMs).toBeLessThanOrEqual(20_000);
    expect(watch).toEqual({ detectWithinMs: 20_000, surviveOutageMs: 8000 });

    const tight = plan({ ...calm, surviveOutageMs: 14_000 });
    expect(tight.feasible).toBe(false);
    expect(tight.forbiddenBy).toContain("an outage of 14000 ms must be over");
    expect(tight.watch).toEqual({ detectWithinMs: 20_000, surviveOutageMs: 14_000 });
    const nearest = tight.nearestDetectWithinMs ?? 0;
    expect(plan({ ...calm, detectWithinMs: nearest, surviveOutageMs: 14_000 }).feasible).toBe(true);
    expect(plan({ ...calm, surviveOutageMs: 15_000 }).watch).toBeNull();
  });

  it.each([
    { detectWithinMs: 5000, surviveOutageMs: -1 },
    { detectWithinMs: 299 },
    { detectWithinMs: Number.NaN },
    { detectWithinMs: 5000, loss: 1 },
    { detectWithinMs: 5000, loss: -0.1 },
    { detectWithinMs: 5000, loss: { meanBurstMs: 0, burstShare: 0.1 } },
    { detectWithinMs: 5000, connections: 0 },
    { detectWithinMs: 5000, falseAlarmsPerYear: 0 },
    { detectWithinMs: 5000, platform: "plan9" },
  ])("refuses %j", (requirement) =>
    expect(() => plan(requirement as Requirement)).toThrow(HalfOpenError),
  );
});
