import { LossBelief } from "./loss-belief.ts";
import { type ProbePlan, type ProbePlanInput, planProbes } from "./probe-plan.ts";

/**
 * Returns the probe plan of a short path without known loss. No other path has a plan with a longer
 * idle time.
 */
export function planOnShortPath(
  terms: Pick<ProbePlanInput, "budgetMs" | "falseAlarmsPerYear" | "rtoMaxMs">,
): ProbePlan {
  const loss = new LossBelief();
  loss.isShort();
  return planProbes({ ...terms, loss, answerWindowMs: 200, rtoMs: 204 });
}
