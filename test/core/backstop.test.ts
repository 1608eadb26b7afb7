import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { backstopProbes, givesUpAfterMs, inFlightUserTimeoutMs, rtoCapMs, standInTimeoutMs } from "../../src/core/backstop.ts";
import { LARGEST_BUDGET_MS, SMALLEST_BUDGET_MS } from "../../src/core/probe-plan.ts";

const budgets = fc.integer({ min: SMALLEST_BUDGET_MS, max: LARGEST_BUDGET_MS });
const UNCAPPED_MS = 120_000;

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

  it("is set to what the kernel can hold: whole seconds, at most 127 probes", () => {
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

  it("probes once a second where the budget allows", () => {
    expect(backstopProbes(10_000, 4000)).toEqual({ intervalMs: 1000, count: 40 });
    expect(backstopProbes(30_000, 10_000)).toEqual({ intervalMs: 1000, count: 80 });
    expect(backstopProbes(60_000, 10_000)).toEqual({ intervalMs: 2000, count: 85 });
  });
});

describe("the cap on backoff", () => {
  it.each([
    ["a fifth of the budget", 10_000, 0, 2000],
    ["what the kernel takes at least", 2500, 0, 1000],
    ["two round trips, so that nothing is sent again that is on its way", 2500, 800.2, 1601],
    ["what the kernel does without one at most", LARGEST_BUDGET_MS, 0, UNCAPPED_MS],
  ])("is %s: of %d ms with a round trip of %d ms %d ms", (_, budgetMs, rttMs, capMs) => {
    expect(rtoCapMs(budgetMs, rttMs)).toBe(capMs);
  });
});

describe("the kernel's patience with data in flight", () => {
  it("is that of Linux without a cap: 924.6 s with 15 retries (ip-sysctl.rst, tcp_retries2)", () => {
    expect(givesUpAfterMs(UNCAPPED_MS, 15)).toBe(924_600);
    expect(givesUpAfterMs(1000, 15)).toBe(200 + 400 + 800 + 13 * 1000);
  });

  it("needs no user timeout where it lasts two budgets under the cap", () => {
    expect(givesUpAfterMs(2000, 15)).toBe(27_000);
    expect(inFlightUserTimeoutMs(13_500, 2000, 15, 60_000)).toBe(0);
    expect(inFlightUserTimeoutMs(13_501, 2000, 15, 60_000)).toBe(60_000);
    expect(inFlightUserTimeoutMs(10_000, 2000, 3, 60_000)).toBe(60_000);
    expect(inFlightUserTimeoutMs(10_000, null, 15, 60_000)).toBe(60_000);
  });

  it("is replaced by no less than three budgets, nor than a live peer may keep its window closed", () => {
    expect(standInTimeoutMs(30_000, 60_000)).toBe(90_000);
    expect(standInTimeoutMs(10_000, 60_000)).toBe(60_000);
  });
});
