import { rtoCapMs } from "../backstop.ts";
import { DEFAULT_FALSE_ALARMS_PER_YEAR, OUTAGE_SHARE } from "../probe-plan.ts";
import { planOnShortPath } from "../short-path.ts";
import type { DetectionTime } from "./prediction.ts";

/** Timers of the kernel and of the event loop, on top of the budget. */
const LATENESS_MS = 120;

/** Within what time `watch` finds a dead peer on a short path that loses nothing: the budget, or longer where the proof does not fit into it. */
export function watchWithinMs(budgetMs: number): number {
  const plan = planOnShortPath({ budgetMs, falseAlarmsPerYear: DEFAULT_FALSE_ALARMS_PER_YEAR, rtoMaxMs: rtoCapMs(budgetMs) });
  // Where each wait but the closed window's fits, the end of the budget hurries that one.
  return Math.ceil(Math.max(budgetMs, plan.idleWithinMs, plan.inFlightWithinMs));
}

/**
 * How long `watch` takes on a path without loss: never before an outage that it promises to survive could have healed, never after the
 * budget, or what {@link watchWithinMs} says. The same for idle connections, data in flight, and, with TCP_RTO_MAX_MS, behind a closed window.
 */
export function predictWatch(detectWithinMs: number): DetectionTime {
  const bestMs = OUTAGE_SHARE * detectWithinMs;
  return {
    bestMs,
    typicalMs: 0.8 * detectWithinMs,
    worstMs: watchWithinMs(detectWithinMs) + LATENESS_MS,
    by: "unanswered attempts far enough apart",
  };
}
