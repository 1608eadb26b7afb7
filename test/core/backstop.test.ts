import { describe, expect, it } from "vitest";
import { rtoCapMs } from "../../src/core/backstop.ts";

describe("the cap on backoff", () => {
  it("is a fifth of the budget, and no less than the kernel takes", () => {
    expect([2500, 5000, 20_000].map((budgetMs) => rtoCapMs(budgetMs))).toEqual([1000, 1000, 4000]);
    expect(rtoCapMs(5000, { rttMs: 40, rttVarMs: 20 })).toBe(1000);
  });

  it("is the kernel's own timeout on a long path that is known, and two round trips where that is less", () => {
    expect(rtoCapMs(5000, { rttMs: 1500, rttVarMs: 10 })).toBe(1700);
    expect(rtoCapMs(5000, { rttMs: 1500, rttVarMs: 200 })).toBe(2300);
    // Right after a handshake the kernel's variance is half the round trip.
    expect(rtoCapMs(5000, { rttMs: 1500, rttVarMs: 750 })).toBe(3000);
  });

  it("never falls below a round trip", () => {
    for (let rttMs = 1; rttMs < 60_000; rttMs = Math.ceil(rttMs * 1.3))
      for (const share of [0, 0.1, 0.5, 2]) expect(rtoCapMs(2500, { rttMs, rttVarMs: share * rttMs })).toBeGreaterThan(rttMs);
  });
});
