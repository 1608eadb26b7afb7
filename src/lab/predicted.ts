import { predict } from "../core/forecast/predict.ts";
import type { DetectionTime, PredictSettings } from "../core/forecast/prediction.ts";
import { rtoCapMs } from "../core/judge/backstop.ts";
import {
  DEFAULT_FALSE_ALARMS_PER_YEAR,
  OUTAGE_SHARE,
  type ProbePlan,
} from "../core/judge/probe-plan.ts";
import { planOnShortPath } from "../core/judge/short-path.ts";
import type { Fault } from "./fault.ts";
import { keepaliveFor, type Mechanism } from "./mechanisms.ts";
import type { Traffic } from "./subject-messages.ts";

/** A measured time may lie outside the predicted ones by this share and this much. */
const TOLERANCE = { share: 0.05, ms: 100 };
/**
 * Timers of the kernel and of the event loop, on top of the time within which `watch` finds a dead
 * peer.
 */
const LATENESS_MS = 120;

export interface PredictedMs {
  readonly best: number;
  readonly worst: number;
}

/**
 * What the predictor says of a cell; `null` where nothing is to be timed: the peer is not silent,
 * or was given up before the fault.
 */
export function predictedFor(
  fault: Fault,
  mechanism: Mechanism,
  traffic: Traffic,
  budgetMs: number,
): PredictedMs | "never" | null {
  const isBlocked = fault.role === "deaf";
  const isKilledBefore =
    isBlocked && (mechanism === "heartbeat" || mechanism === "keepalive+user-timeout");
  if (fault.effect !== "cuts" || isKilledBefore) return null;
  const time =
    mechanism === "watch"
      ? predictWatch(budgetMs)
      : timeOf(isBlocked, mechanism, traffic, budgetMs);
  return time ? { best: Math.round(time.bestMs), worst: Math.round(time.worstMs) } : "never";
}

/** Returns how `watch` with its default settings probes on a short path that loses nothing. */
export function watchPlan(budgetMs: number): ProbePlan {
  return planOnShortPath({
    budgetMs,
    falseAlarmsPerYear: DEFAULT_FALSE_ALARMS_PER_YEAR,
    rtoMaxMs: rtoCapMs(budgetMs),
  });
}

/**
 * Returns the time, in ms, within which `watch` finds a dead peer on a short path that loses
 * nothing: the budget, or longer where the proof does not fit into it.
 */
export function watchWithinMs(budgetMs: number): number {
  const plan = watchPlan(budgetMs);
  // Where each wait but the closed window's fits, the end of the budget hurries that one.
  return Math.ceil(Math.max(budgetMs, plan.idleWithinMs, plan.inFlightWithinMs));
}

/**
 * Predicts `watch` on a path without loss: never before an outage that it promises to survive could
 * have healed, never after {@link watchWithinMs}. The same for idle connections, data in flight,
 * and, with TCP_RTO_MAX_MS, behind a closed window.
 */
function predictWatch(budgetMs: number): DetectionTime {
  return {
    bestMs: OUTAGE_SHARE * budgetMs,
    typicalMs: 0.8 * budgetMs,
    worstMs: watchWithinMs(budgetMs) + LATENESS_MS,
    by: "unanswered attempts far enough apart",
  };
}

function timeOf(
  isBlocked: boolean,
  mechanism: Exclude<Mechanism, "watch">,
  traffic: Traffic,
  budgetMs: number,
): DetectionTime | null {
  if (mechanism === "heartbeat") return recipe(budgetMs);
  const prediction = predict(settingsOf(mechanism, budgetMs));
  if (isBlocked) return prediction.zeroWindowDead;
  return traffic === "idle" ? prediction.idle : prediction.inFlight;
}

function settingsOf(
  mechanism: Exclude<Mechanism, "watch" | "heartbeat">,
  budgetMs: number,
): PredictSettings {
  if (mechanism === "none") return {};
  if (mechanism === "system-keepalive") return { keepalive: true };
  const keepalive = keepaliveFor(budgetMs);
  return mechanism === "keepalive" ? { keepalive } : { keepalive, userTimeoutMs: budgetMs };
}

/**
 * It looks at every ping whether the last answer is older than three pings: the third or the fourth
 * unanswered one tells.
 */
function recipe(budgetMs: number): DetectionTime {
  return {
    bestMs: budgetMs / 2,
    typicalMs: 0.8 * budgetMs,
    worstMs: budgetMs + 50,
    by: "heartbeat",
  };
}

/** Whether what was measured agrees; `null` for `detectedMs` means not within the observation. */
export function agrees(
  predicted: PredictedMs | "never",
  detectedMs: number | null,
  observedMs: number,
): boolean {
  if (predicted === "never") return detectedMs === null;
  const { best, worst } = predicted;
  const earliest = best * (1 - TOLERANCE.share) - TOLERANCE.ms;
  const latest = worst * (1 + TOLERANCE.share) + TOLERANCE.ms;
  if (detectedMs === null) return latest >= observedMs;
  return detectedMs >= earliest && detectedMs <= latest;
}
