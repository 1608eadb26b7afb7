import { predict } from "../core/forecast/predict.ts";
import type { DetectionTime, PredictSettings } from "../core/forecast/prediction.ts";
import { rtoCapMs } from "../core/judge/backstop.ts";
import { returnMs } from "../core/judge/outage-bound.ts";
import {
  DEFAULT_FALSE_ALARMS_PER_YEAR,
  type ProbePlan,
  SMALLEST_BUDGET_MS,
} from "../core/judge/probe-plan.ts";
import { isQuickBudget, outageOf, quickTerms, quickWithinMs } from "../core/judge/quick-terms.ts";
import { planOnShortPath } from "../core/judge/short-path.ts";
import type { Fault } from "./fault.ts";
import { keepaliveFor, type Mechanism } from "./mechanisms.ts";
import type { Traffic } from "./subject-messages.ts";

export interface PredictedMs {
  readonly best: number;
  readonly worst: number;
}

/**
 * Returns the predicted detection times of a cell, or `null` when there is nothing to time: the
 * peer is not silent, or the connection ends before the fault.
 */
export function predictedFor(
  fault: Fault,
  mechanism: Mechanism,
  traffic: Traffic,
  budgetMs: number,
  surviveOutageMs: number = outageOf(budgetMs),
): PredictedMs | "never" | null {
  const isBlocked = fault.role === "deaf";
  const isKilledBefore =
    isBlocked && (mechanism === "heartbeat" || mechanism === "keepalive+user-timeout");
  const isSilent = fault.effect === "cuts" || fault.effect === "hides";
  if (!isSilent || isKilledBefore) return null;

  const stoppedMs = fault.stoppedMs?.(budgetMs) ?? 0;
  const time =
    mechanism === "watch"
      ? predictWatch(fault, traffic, budgetMs, surviveOutageMs)
      : timeOf(fault, mechanism, traffic, budgetMs, stoppedMs);
  return time
    ? {
        best: Math.round(Math.max(stoppedMs, time.bestMs)),
        worst: Math.round(Math.max(stoppedMs, time.worstMs)),
      }
    : "never";
}

/**
 * Returns the time after the strike within which `watch` must find the end; `null` where the fault
 * leaves it nothing to find.
 */
export function foundWithinMs(
  fault: Fault,
  traffic: Traffic,
  budgetMs: number,
  surviveOutageMs: number = outageOf(budgetMs),
): number | null {
  if (fault.effect === "lives" || fault.effect === "hides") return null;
  // Where no heartbeat gets through, a short budget is as good as the smallest other.
  if (isQuickBudget(budgetMs) && !letsHeartbeatsThrough(fault))
    return (fault.stoppedMs?.(budgetMs) ?? 0) + watchWithinMs(SMALLEST_BUDGET_MS);
  return fault.foundWithinMs
    ? fault.foundWithinMs(budgetMs, traffic, surviveOutageMs)
    : watchWithinMs(budgetMs, surviveOutageMs);
}

/** A window is open, no data of the program's stands before them, and the program runs. */
function letsHeartbeatsThrough({ role, blocksHeartbeats = false, stoppedMs }: Fault): boolean {
  return role !== "deaf" && !blocksHeartbeats && stoppedMs === undefined;
}

/**
 * Returns the time in ms after a long stall of the process within which `watch` finds a peer that
 * was gone before: half of the budget is left, or what the outage needs.
 */
export function resumedWithinMs(
  budgetMs: number,
  traffic: Traffic,
  surviveOutageMs: number,
): number {
  const [shareMs, backMs] =
    traffic === "idle"
      ? [0.5 * budgetMs, surviveOutageMs]
      : [0.8 * budgetMs, returnMs(budgetMs, surviveOutageMs, true)];
  return Math.max(shareMs, backMs + 0.1 * budgetMs);
}

/** Returns the probe plan of `watch` with default settings, on a short path without loss. */
export function watchPlan(budgetMs: number, surviveOutageMs?: number): ProbePlan {
  return planOnShortPath({
    budgetMs,
    surviveOutageMs,
    falseAlarmsPerYear: DEFAULT_FALSE_ALARMS_PER_YEAR,
    rtoMaxMs: rtoCapMs(budgetMs),
  });
}

/**
 * Returns the time in ms within which `watch` finds a dead peer on a short path without loss: the
 * budget, or longer when the proof does not fit into the budget.
 */
export function watchWithinMs(budgetMs: number, surviveOutageMs?: number): number {
  if (isQuickBudget(budgetMs)) {
    const terms = quickTerms(budgetMs, outageOf(budgetMs, surviveOutageMs));
    return Math.max(budgetMs, quickWithinMs(terms));
  }
  const plan = watchPlan(budgetMs, surviveOutageMs);
  // The wait behind a closed window is left out: when the others fit, the end of the budget hurries
  // that proof.
  return Math.ceil(Math.max(budgetMs, plan.idleWithinMs, plan.inFlightWithinMs));
}

/** Lateness of the timers of the kernel and of the event loop, on top of {@link watchWithinMs}. */
const LATENESS_MS = 120;

/**
 * Predicts `watch` on a path without loss: never before an outage that must be survived could have
 * healed, and never after {@link foundWithinMs}. The prediction holds for idle connections, for
 * data in flight and, with TCP_RTO_MAX_MS, behind a closed window.
 */
function predictWatch(
  fault: Fault,
  traffic: Traffic,
  budgetMs: number,
  surviveOutageMs: number,
): DetectionTime | null {
  const withinMs = foundWithinMs(fault, traffic, budgetMs, surviveOutageMs);
  if (withinMs === null) return null;
  return {
    bestMs: surviveOutageMs,
    typicalMs: 0.8 * budgetMs,
    worstMs: withinMs + LATENESS_MS,
    by: "unanswered attempts far enough apart",
  };
}

function timeOf(
  { effect, role, leavesData = false }: Fault,
  mechanism: Exclude<Mechanism, "watch">,
  traffic: Traffic,
  budgetMs: number,
  stoppedMs: number,
): DetectionTime | null {
  if (mechanism === "heartbeat") return recipe(budgetMs);
  if (effect === "hides") return null;

  const { idle, inFlight, zeroWindowDead } = predict(settingsOf(mechanism, budgetMs));
  if (role === "deaf") return zeroWindowDead;
  // A stopped program sends nothing more, so its connection may have ended as an idle one does.
  const endsStopped = !leavesData && idle !== null && idle.worstMs <= stoppedMs;
  return traffic === "idle" || endsStopped ? idle : inFlight;
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
 * Predicts the heartbeat recipe. The recipe checks at every ping whether the last answer is older
 * than three pings, so the third or fourth unanswered ping decides.
 */
function recipe(budgetMs: number): DetectionTime {
  return {
    bestMs: budgetMs / 2,
    typicalMs: 0.8 * budgetMs,
    worstMs: budgetMs + 50,
    by: "heartbeat",
  };
}

/** Widens the predicted times: a measured time may lie outside by this share and these ms. */
const TOLERANCE = { share: 0.05, ms: 100 };

/**
 * Returns whether a measured time agrees with the prediction. `detectedMs` is `null` when nothing
 * was detected within the observation.
 */
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
