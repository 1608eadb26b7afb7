import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OutageBoundError } from "../../../src/core/errors.ts";
import {
  longestOutage,
  type OutageMeans,
  requirePossible,
  shortestBudgetMs,
} from "../../../src/core/judge/outage-bound.ts";
import { defaultOutageMs } from "../../../src/core/judge/probe-plan.ts";

const CAPPED: OutageMeans = { hasRtoCap: true };
const UNCAPPED: OutageMeans = { hasRtoCap: false };

function longest(budgetMs: number, means: OutageMeans): number {
  return longestOutage(budgetMs, means).longestMs;
}

function refusalOf(work: () => void): OutageBoundError {
  try {
    work();
  } catch (error) {
    if (error instanceof OutageBoundError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

describe("the longest outage that a budget can outlast", () => {
  it("is what the cap on backoff leaves of the budget, and without a cap about 0.42 of it", () => {
    expect([2500, 5000, 10_000, 60_000].map((ms) => longest(ms, CAPPED))).toEqual([
      1012, 3350, 7150, 45_900,
    ]);
    expect([2500, 5000, 10_000, 60_000].map((ms) => longest(ms, UNCAPPED))).toEqual([
      1005, 2105, 4423, 27_952,
    ]);
  });

  it("is shorter with a heartbeat, which leaves late, and never shorter than the default", () => {
    const hasHeartbeat = true;
    expect(longest(5000, { hasRtoCap: true, hasHeartbeat })).toBe(3100);
    expect(longest(5000, { hasRtoCap: false, hasHeartbeat })).toBe(2000);
    expect(longest(10_000, { hasRtoCap: false, hasHeartbeat })).toBe(4305);
  });

  it("grows with the budget, and the shortest budget is its inverse", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2500, max: 600_000 }),
        fc.boolean(),
        fc.boolean(),
        (budgetMs, hasRtoCap, hasHeartbeat) => {
          const means = { hasRtoCap, hasHeartbeat };
          const outageMs = longest(budgetMs, means);
          expect(outageMs).toBeGreaterThanOrEqual(Math.floor(defaultOutageMs(budgetMs)));
          expect(longest(budgetMs + 1, means)).toBeGreaterThanOrEqual(outageMs);
          const shortestMs = shortestBudgetMs(outageMs, means) ?? Number.NaN;
          expect(shortestMs).toBeLessThanOrEqual(budgetMs);
          expect(longest(shortestMs, means)).toBeGreaterThanOrEqual(outageMs);
          if (shortestMs > 2500) expect(longest(shortestMs - 1, means)).toBeLessThan(outageMs);
        },
      ),
    );
  });
});

describe("a pair that cannot be had", () => {
  it("is refused with the bound and the nearest pair, which is possible", () => {
    const asked = { detectWithinMs: 5000, surviveOutageMs: 4000 };
    const error = refusalOf(() => requirePossible(asked, CAPPED));
    expect(error.code).toBe("ERR_OUTAGE_BOUND");
    expect(error.name).toBe("OutageBoundError");
    expect(error.asked).toEqual(asked);
    expect(error.longestOutageMs).toBe(3350);
    expect(error.nearest).toEqual({ detectWithinMs: 5856, surviveOutageMs: 4000 });
    expect(error.message).toContain("3350 ms is the longest");
    expect(error.message).toContain("detectWithinMs 5856 with surviveOutageMs 4000");
    requirePossible(error.nearest, CAPPED);
    requirePossible({ ...asked, surviveOutageMs: error.longestOutageMs }, CAPPED);
  });

  it("names the missing cap as the reason where there is none", () => {
    const asked = { detectWithinMs: 5000, surviveOutageMs: 3000 };
    const error = refusalOf(() => requirePossible(asked, UNCAPPED));
    expect(error.longestOutageMs).toBe(2105);
    expect(error.nearest).toEqual({ detectWithinMs: 6929, surviveOutageMs: 3000 });
    expect(error.message).toContain("TCP_RTO_MAX_MS");
  });

  it("gets the longest budget as the nearest when no budget is long enough", () => {
    const asked = { detectWithinMs: 5000, surviveOutageMs: 86_400_000 };
    const { nearest } = refusalOf(() => requirePossible(asked, CAPPED));
    expect(nearest.detectWithinMs).toBe(86_400_000);
    requirePossible(nearest, CAPPED);
  });
});

it("always allows the default, whatever the means", () => {
  fc.assert(
    fc.property(fc.integer({ min: 2500, max: 86_400_000 }), (detectWithinMs) => {
      const surviveOutageMs = defaultOutageMs(detectWithinMs);
      requirePossible({ detectWithinMs, surviveOutageMs }, { ...UNCAPPED, hasHeartbeat: true });
    }),
  );
});
