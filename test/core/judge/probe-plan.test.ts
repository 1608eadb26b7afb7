import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ownLatenessMs } from "../../../src/core/judge/lateness.ts";
import { LossBelief } from "../../../src/core/judge/loss-belief.ts";
import {
  attemptsNeededBy,
  DEFAULT_FALSE_ALARMS_PER_YEAR,
  LARGEST_BUDGET_MS,
  OUTAGE_SHARE,
  outlastingNeededAtDeadline,
  outlastingNeededBy,
  type ProbePlanInput,
  planProbes,
  probeSpacingMs,
  SMALLEST_BUDGET_MS,
} from "../../../src/core/judge/probe-plan.ts";
import { nextProbeAt } from "../../../src/core/judge/schedule.ts";

const LAN: ProbePlanInput = {
  budgetMs: 10_000,
  falseAlarmsPerYear: DEFAULT_FALSE_ALARMS_PER_YEAR,
  answerWindowMs: 200,
  loss: new LossBelief(),
  rtoMs: 204,
  rtoMaxMs: 2000,
};

/** Returns the belief about a path that lost `lost` of a hundred attempts. */
function lossy(lost: number): LossBelief {
  const belief = new LossBelief();
  for (let i = 0; i < 100; i++) belief.record(1, i < lost ? 1 : 0);
  return belief;
}

const budgets = fc.integer({ min: SMALLEST_BUDGET_MS, max: LARGEST_BUDGET_MS });
const inputs = fc.record({
  budgetMs: fc.oneof(budgets, fc.integer({ min: SMALLEST_BUDGET_MS, max: 120_000 })),
  falseAlarmsPerYear: fc.double({ min: 1e-9, max: 1e6, noNaN: true }),
  answerWindowMs: fc.integer({ min: 50, max: 2000 }),
  loss: fc.integer({ min: 0, max: 60 }).map(lossy),
  rtoMs: fc.integer({ min: 200, max: 3000 }),
  rtoMaxMs: fc.option(fc.integer({ min: 1000, max: 120_000 })),
});

describe("the probe plan", () => {
  it("keeps the budget when the idle time is more than a second", () => {
    fc.assert(
      fc.property(inputs, (input) => {
        const { idleMs, idleWithinMs } = planProbes(input);
        expect(idleMs % 1000).toBe(0);
        expect(idleMs).toBeGreaterThanOrEqual(1000);
        if (idleMs > 1000) expect(idleWithinMs).toBeLessThanOrEqual(input.budgetMs);
      }),
      { numRuns: 1000 },
    );
  });

  it("has the longest idle time that the budget allows: a second more would exceed it", () => {
    const { idleMs, idleWithinMs } = planProbes(LAN);
    expect({
      isWithin: idleWithinMs <= LAN.budgetMs,
      isLongest: idleWithinMs + 1000 > LAN.budgetMs,
      isShort: idleMs < 5000,
    }).toEqual({
      isWithin: true,
      isLongest: true,
      isShort: true,
    });
  });

  it("promises nothing for a closed window when nothing caps the kernel's backoff", () => {
    expect(planProbes({ ...LAN, rtoMaxMs: null }).closedWindowWithinMs).toBeNull();
    expect(planProbes(LAN).closedWindowWithinMs).toBeGreaterThan(0);
  });

  it("needs more attempts and more time the more a path loses and the fewer false alarms are accepted", () => {
    const harder = (a: Partial<ProbePlanInput>, b: Partial<ProbePlanInput>): void => {
      const [easy, hard] = [planProbes({ ...LAN, ...a }), planProbes({ ...LAN, ...b })];
      expect(hard.attemptsNeeded).toBeGreaterThan(easy.attemptsNeeded);
      expect(hard.inFlightWithinMs).toBeGreaterThanOrEqual(easy.inFlightWithinMs);
      expect(hard.idleMs).toBeLessThanOrEqual(easy.idleMs);
    };
    harder({}, { loss: lossy(20) });
    harder({ falseAlarmsPerYear: 1 }, { falseAlarmsPerYear: 1e-6 });
  });

  it("takes a longer round trip into account", () => {
    expect(planProbes({ ...LAN, answerWindowMs: 1500 }).idleWithinMs).toBeGreaterThan(
      planProbes(LAN).idleWithinMs - 1000,
    );
    expect(planProbes({ ...LAN, answerWindowMs: 1500 }).idleMs).toBeLessThan(
      planProbes(LAN).idleMs,
    );
  });
});

describe("attempts that prove death", () => {
  const loss = new LossBelief();

  it("are three when they fail on this host, whatever the path loses", () => {
    for (const belief of [loss, lossy(40)])
      expect(attemptsNeededBy(belief, "local", 1e-9, 1000)).toBe(3);
  });

  it("are fewer the more rarely a connection falls silent", () => {
    const rate = DEFAULT_FALSE_ALARMS_PER_YEAR;
    expect(attemptsNeededBy(loss, "idle", rate, 3_600_000)).toBeLessThan(
      attemptsNeededBy(loss, "idle", rate, 1000),
    );
    expect(attemptsNeededBy(loss, "idle", rate, 1)).toBe(
      attemptsNeededBy(loss, "in-flight", rate, 1),
    );
    expect(attemptsNeededBy(loss, "blocked", rate, 1000)).toBeLessThanOrEqual(
      attemptsNeededBy(loss, "in-flight", rate, 1000),
    );
  });

  it("include fewer that outlast an outage once the budget has ended: at most the room, at least one", () => {
    const belief = lossy(50);
    const needed = outlastingNeededAtDeadline(belief, 99);
    expect(needed).toBeGreaterThan(2);
    expect(needed).toBeLessThan(outlastingNeededBy(belief));
    expect({
      two: outlastingNeededAtDeadline(belief, 2),
      none: outlastingNeededAtDeadline(belief, 0),
    }).toEqual({ two: 2, none: 1 });
  });
});

describe("the probes of a burst", () => {
  const bursts = fc.record({
    firstAt: fc.nat(10_000),
    outageMs: fc.integer({ min: OUTAGE_SHARE * SMALLEST_BUDGET_MS, max: 100_000 }),
    outlasting: fc.integer({ min: 1, max: 6 }),
    attempts: fc.integer({ min: 2, max: 60 }),
  });
  type Burst = Omit<Parameters<typeof nextProbeAt>[1], "lastBy">;

  /** Returns when probes leave until the burst has all it needs. */
  function probesOf(burst: Burst, lastBy = Number.POSITIVE_INFINITY): number[] {
    const { firstAt, outageMs, outlasting, attempts } = burst;
    const at = [firstAt];
    const isDone = (): boolean =>
      at.length >= attempts && at.filter((one) => one >= firstAt + outageMs).length >= outlasting;
    while (!isDone() && at.length < 500) at.push(nextProbeAt(at.at(-1) ?? 0, { ...burst, lastBy }));
    return at;
  }

  it("leave no closer than answers can come, nor more than needed within an outage", () => {
    fc.assert(
      fc.property(bursts, (burst) => {
        const at = probesOf(burst);
        for (const [i, one] of at.slice(1).entries())
          expect(one - (at[i] ?? 0)).toBeGreaterThanOrEqual(probeSpacingMs(burst.outageMs) - 1e-6);
      }),
    );
  });

  it("end as soon as all attempts, and those after an outage, have left", () => {
    fc.assert(
      fc.property(bursts, (burst) => {
        const { firstAt, outageMs, outlasting, attempts } = burst;
        const spacingMs = probeSpacingMs(outageMs);
        const shortest = Math.max(
          outageMs + (outlasting - 1) * spacingMs,
          (attempts - 1) * spacingMs,
        );
        expect(probesOf(burst).at(-1)).toBeLessThanOrEqual(firstAt + shortest + 10);
      }),
    );
  });

  it("leave as close as allowed from the start when time is short", () => {
    const burst = { firstAt: 0, outageMs: 4000, outlasting: 3, attempts: 7 };
    expect(probesOf(burst, 2000).slice(0, 7)).toEqual([0, 600, 1200, 1800, 2400, 3000, 3600]);
    expect(nextProbeAt(0, { ...burst, lastBy: 60_000 })).toBeGreaterThan(600);
  });
});

it("the time reserved for our own lateness grows with the budget, from 30 to 150 ms", () => {
  expect([SMALLEST_BUDGET_MS, 4000, 10_000, LARGEST_BUDGET_MS].map(ownLatenessMs)).toEqual([
    37.5, 60, 150, 150,
  ]);
  expect(ownLatenessMs(100)).toBe(30);
});
