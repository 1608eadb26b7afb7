import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { longOrShort } from "../../setup/run-length.ts";
import type { Path } from "./kernel-model.ts";
import { watchModel } from "./watched-model.ts";

const budgets = fc.constantFrom(5000, 10_000, 20_000, 60_000);
const rtts = fc.integer({ min: 0, max: 40 });
/** The process stands still from here on. */
const FROM_MS = 30_000;
const RUNS = longOrShort(1000, 200);
/** A probe on demand, and a check. */
const LATE_MS = 150;

describe("a watch that goes on after its process stood still", () => {
  it("finds an idle peer that was cut off meanwhile within half of the budget", () => {
    fc.assert(
      fc.property(
        budgets,
        rtts,
        fc.integer({ min: 20_000, max: 60_000 }),
        fc.double({ min: 0.02, max: 0.5, noNaN: true }),
        fc.boolean(),
        (budgetMs, rttMs, stallMs, share, isForgetful) => {
          const untilMs = FROM_MS + Math.max(stallMs, 2 * budgetMs);
          const cut = FROM_MS + share * (untilMs - FROM_MS);
          const { deadAt, kernelEndedAt } = watchModel({
            budgetMs,
            path: { rttMs, isUp: (now) => now < cut },
            untilMs: untilMs + 3 * budgetMs,
            stall: { fromMs: FROM_MS, untilMs },
            isForgetful,
          });
          // After three budgets the kernel gives up by itself.
          const found = deadAt ?? kernelEndedAt ?? Number.POSITIVE_INFINITY;
          expect(found - untilMs).toBeLessThanOrEqual(budgetMs / 2 + 2 * rttMs + LATE_MS);
        },
      ),
      { numRuns: RUNS },
    );
  });

  it("does not suspect a peer that lives, nor call one dead whose path comes back within the survived time", () => {
    fc.assert(
      fc.property(
        budgets,
        rtts,
        fc.double({ min: 0, max: 0.38, noNaN: true }),
        fc.boolean(),
        (budgetMs, rttMs, share, isOut) => {
          const untilMs = FROM_MS + 2 * budgetMs;
          const backMs = untilMs + share * budgetMs - 2 * rttMs;
          const path: Path = {
            rttMs,
            // Not so long that the kernel gives up by itself.
            isUp: (now) => !isOut || now < untilMs - budgetMs || now >= backMs,
          };
          const { deadAt, judgement } = watchModel({
            budgetMs,
            path,
            untilMs: untilMs + 3 * budgetMs,
            stall: { fromMs: FROM_MS, untilMs },
          });
          expect(deadAt).toBeNull();
          expect(judgement.state).toBe("alive");
        },
      ),
      { numRuns: RUNS },
    );
  });

  it("finds a peer with data in flight within its own plan, and at least one attempt later", () => {
    fc.assert(
      fc.property(budgets, rtts, fc.boolean(), (budgetMs, rttMs, isForgetful) => {
        const untilMs = FROM_MS + budgetMs;
        const cut = FROM_MS + 500;
        const { deadAt } = watchModel({
          budgetMs,
          path: { rttMs, isUp: (now) => now < cut },
          untilMs: untilMs + 3 * budgetMs,
          writesAtMs: [cut + 1],
          stall: { fromMs: FROM_MS, untilMs },
          isForgetful,
        });
        // An attempt must outlast an outage that ended at the waking; the next is a cap away.
        expect((deadAt ?? Number.POSITIVE_INFINITY) - untilMs).toBeLessThanOrEqual(
          0.4 * budgetMs + Math.max(1000, budgetMs / 5) * 1.2 + 2 * rttMs + 500,
        );
      }),
      { numRuns: RUNS },
    );
  });
});
