import { rtoCapMs } from "../core/judge/backstop.ts";
import { confirmingMs } from "../core/judge/confirming.ts";
import { requirePossible } from "../core/judge/outage-bound.ts";
import { hasRtoMax } from "../kernel/options/has-rto-max.ts";

/**
 * The smallest budget that has room for two verdicts and an attempt between them at every phase of
 * the surveys (test/guard/engine.sim.test.ts).
 */
export const SMALLEST_GUARD_BUDGET_MS = 5000;

/**
 * Refuses a pair that a guard cannot keep here: an outage must be over before the attempt that
 * confirms the first verdict. The default is never refused.
 *
 * @throws OutageBoundError
 */
export function requireGuardOutage(
  detectWithinMs: number,
  surviveOutageMs: number | undefined,
  hasRtoCap: boolean = hasRtoMax(),
): void {
  if (surviveOutageMs === undefined) return;
  const confirming = (budgetMs: number): number =>
    confirmingMs(budgetMs, hasRtoCap ? rtoCapMs(budgetMs) : null);
  requirePossible(
    { detectWithinMs, surviveOutageMs },
    { hasRtoCap, confirmingMs: confirming },
    SMALLEST_GUARD_BUDGET_MS,
  );
}
