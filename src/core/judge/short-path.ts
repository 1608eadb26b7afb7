import { LossBelief } from "./loss-belief.ts";
import { type ProbePlan, type ProbePlanInput, planProbes } from "./probe-plan.ts";

/**
 * How a silent peer is asked on a short path of which no loss is known: no other path has a plan
 * with a longer idle time.
 */
export function planOnShortPath(
  terms: Pick<ProbePlanInput, "budgetMs" | "falseAlarmsPerYear" | "rtoMaxMs">,
): ProbePlan {
  const loss = new LossBelief();
  loss.isShort();
  return planProbes({ ...terms, loss, answerWindowMs: 200, rtoMs: 204 });
}
