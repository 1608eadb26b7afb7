import { OUTAGE_SHARE } from "../probe-plan.ts";
import type { DetectionTime } from "./prediction.ts";

/** Timers of the kernel and of the event loop, on top of the budget. */
const LATENESS_MS = 120;

/**
 * How long `watch` takes on a path without loss: never before an outage that it promises to survive could have healed, never after the
 * budget. The same for idle connections, data in flight, and, with TCP_RTO_MAX_MS, behind a closed window.
 */
export function predictWatch(detectWithinMs: number): DetectionTime {
  const bestMs = OUTAGE_SHARE * detectWithinMs;
  return { bestMs, typicalMs: 0.8 * detectWithinMs, worstMs: detectWithinMs + LATENESS_MS, by: "unanswered attempts far enough apart" };
}
