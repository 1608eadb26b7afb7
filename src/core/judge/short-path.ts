import { LossBelief } from "./loss-belief.ts";
import { ANSWER_WINDOW_MS, type ProbePlan, type ProbePlanInput, planProbes } from "./probe-plan.ts";

/**
 * Returns the probe plan of a short path without known loss. No other path has a plan with a longer
 * idle time.
 */
export function planOnShortPath(
  terms: Pick<ProbePlanInput, "budgetMs" | "surviveOutageMs" | "falseAlarmsPerYear" | "rtoMaxMs">,
): ProbePlan {
  const loss = new LossBelief();
  loss.isShort();
  return planProbes({ ...terms, loss, answerWindowMs: ANSWER_WINDOW_MS, rtoMs: 204 });
}
