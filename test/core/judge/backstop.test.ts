import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  backstopProbes,
  givesUpAfterMs,
  inFlightUserTimeoutMs,
  rtoCapMs,
  standInTimeoutMs,
} from "../../../src/core/judge/backstop.ts";
import { LARGEST_BUDGET_MS, SMALLEST_BUDGET_MS } from "../../../src/core/judge/probe-plan.ts";

const budgets = fc.integer({ min: SMALLEST_BUDGET_MS, max: LARGEST_BUDGET_MS });

describe("the kernel's own keepalive", () => {
  it("gives up no sooner than three budgets, and never before forty probes", () => {
    fc.assert(
      fc.property(budgets, fc.double({ min: 0, max: 1, noNaN: true }), (budgetMs, share) => {
        const idleMs = 1000 * Math.max(1, Math.floor((share * budgetMs) / 1000));
        const { intervalMs, count } = backstopProbes(budgetMs, idleMs);
        expect(idleMs + intervalMs * count).toBeGreaterThanOrEqual(3 * budgetMs);
        expect(count).toBeGreaterThanOrEqual(40);
      }),
    );
  });

  it("has values that the kernel accepts: whole seconds, at most 127 probes", () => {
    fc.assert(
      fc.property(budgets, (budgetMs) => {
        const { intervalMs, count } = backstopProbes(budgetMs, 1000);
        expect(intervalMs % 1000).toBe(0);
        expect(intervalMs).toBeGreaterThanOrEqual(1000);
        expect(intervalMs).toBeLessThanOrEqual(32_767_000);
        expect(count).toBeLessThanOrEqual(127);
      }),
    );
  });

  it("probes once a second when the budget allows", () => {
    expect(backstopProbes(10_000, 4000)).toEqual({ intervalMs: 1000, count: 40 });
    expect(backstopProbes(30_000, 10_000)).toEqual({ intervalMs: 1000, count: 80 });
    expect(backstopProbes(60_000, 10_000)).toEqual({ intervalMs: 2000, count: 85 });
  });
});

describe("the cap on backoff", () => {
  it("is a fifth of the budget, at least what the kernel accepts, at most the kernel's own limit", () => {
    expect([2500, 5000, 20_000, LARGEST_BUDGET_MS].map((budgetMs) => rtoCapMs(budgetMs))).toEqual([
      1000, 1000, 4000, 120_000,
    ]);
    expect(rtoCapMs(5000, { rttMs: 40, rttVarMs: 20 })).toBe(1000);
  });

  it("is at least the smaller of the kernel's timeout and two round trips on a long path", () => {
    expect(rtoCapMs(5000, { rttMs: 1500, rttVarMs: 10 })).toBe(1700);
    expect(rtoCapMs(5000, { rttMs: 1500, rttVarMs: 200 })).toBe(2300);
    // Right after a handshake the kernel's variance is half the round trip.
    expect(rtoCapMs(5000, { rttMs: 1500, rttVarMs: 750 })).toBe(3000);
  });

  it("never falls below a round trip", () => {
    for (let rttMs = 1; rttMs < 60_000; rttMs = Math.ceil(rttMs * 1.3))
      for (const share of [0, 0.1, 0.5, 2])
        expect(rtoCapMs(2500, { rttMs, rttVarMs: share * rttMs })).toBeGreaterThan(rttMs);
  });
});

describe("the kernel's patience with data in flight", () => {
  it("is as documented without a cap: 924.6 s with 15 retries (ip-sysctl.rst, tcp_retries2)", () => {
    expect(givesUpAfterMs(120_000, 15)).toBe(924_600);
    expect(givesUpAfterMs(1000, 15)).toBe(200 + 400 + 800 + 13 * 1000);
  });

  it("needs no user timeout when it lasts two budgets under the cap", () => {
    expect(givesUpAfterMs(2000, 15)).toBe(27_000);
    expect(inFlightUserTimeoutMs(13_500, 2000, 15, 60_000)).toBe(0);
    expect(inFlightUserTimeoutMs(13_501, 2000, 15, 60_000)).toBe(60_000);
    expect(inFlightUserTimeoutMs(10_000, 2000, 3, 60_000)).toBe(60_000);
    expect(inFlightUserTimeoutMs(10_000, null, 15, 60_000)).toBe(60_000);
  });

  it("is replaced by three budgets, or by the time that a live peer may keep its window closed if longer", () => {
    expect(standInTimeoutMs(30_000, 60_000)).toBe(90_000);
    expect(standInTimeoutMs(10_000, 60_000)).toBe(60_000);
  });
});
