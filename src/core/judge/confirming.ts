import { PROBE_SPACING_MS } from "./probe-plan.ts";

/**
 * Returns the time between the first verdict of two and the end of the budget: for one more
 * attempt, and its answer. In flight the next attempt is the kernel's: with a cap on backoff it
 * comes that much later at most, and an eighth.
 */
export function confirmingMs(budgetMs: number, rtoMaxMs: number | null): number {
  const nextAttemptMs = rtoMaxMs === null ? 0 : 1.125 * rtoMaxMs + ANSWER_DUE_MS;
  return Math.max(CONFIRMING_MS, Math.min(nextAttemptMs, budgetMs / 3));
}

/** One more attempt, spaced as probes must be, and its answer's time. */
const CONFIRMING_MS = PROBE_SPACING_MS + 150;

/** The time of an answer, and of a reading. */
const ANSWER_DUE_MS = 300;
