import { OutageBoundError, type OutagePair } from "../errors.ts";
import { SMALLEST_CAP_MS } from "./backstop.ts";
import { type KeepaliveMeans, longestSurvived } from "./keepalive-alone.ts";
import { flightPollMs, KEEPALIVE_LATENESS_MS, ownLatenessMs, TIMER_LATE } from "./lateness.ts";
import {
  ANSWER_WINDOW_MS,
  defaultOutageMs,
  LARGEST_BUDGET_MS,
  PAST_MS,
  SMALLEST_BUDGET_MS,
} from "./probe-plan.ts";
import { isQuickBudget, longestQuickOutage } from "./quick-terms.ts";
import { UNCAPPED_RTO_MS } from "./retransmission-times.ts";

/**
 * Derives how long an outage may be that a budget can outlast, on a short path: the time of the
 * last attempt that can still be judged, less what passes before it
 * (docs/internals/bounds.md#two-numbers).
 *
 * | a dead peer is found while | before the outage   | after it                             |
 * |----------------------------|---------------------|--------------------------------------|
 * | the connection is idle     | the least idle time | a probe, at once                     |
 * | data is in flight          | nothing             | a gap of the kernel's backoff        |
 * | a heartbeat is in flight   | a quiet time        | the same gap                         |
 * | a guard needs two verdicts | the least idle time | the time from the first to the other |
 */
export interface OutageMeans {
  /** The backoff can be capped (TCP_RTO_MAX_MS). */
  readonly hasRtoCap: boolean;
  /** A heartbeat checks the peer's process. */
  readonly hasHeartbeat?: boolean;
  /** The OS's keepalive is the only evidence of the host, and sets its own times. */
  readonly keepalive?: KeepaliveMeans;
  /** Time from the first verdict to the end of the budget, where two are needed; default 0. */
  readonly confirmingMs?: (budgetMs: number) => number;
}

/** A bound, and what causes it. */
export interface OutageBound {
  readonly longestMs: number;
  readonly because: string;
}

/**
 * Returns the longest outage, in whole ms, that a budget can outlast. The default of 0.4 budgets is
 * always allowed where keepalive keeps the budget.
 */
export function longestOutage(budgetMs: number, means: OutageMeans): OutageBound {
  if (isQuickBudget(budgetMs))
    return {
      longestMs: longestQuickOutage(budgetMs),
      because:
        "after its first timeout, about 200 ms, the kernel sends the heartbeat again ever more rarely, and nothing new",
    };
  const bounds = [idleBound(budgetMs, means), inFlightBound(budgetMs, means)];
  const least = bounds.reduce((a, b) => (b.longestMs < a.longestMs ? b : a));
  return { ...least, longestMs: Math.max(least.longestMs, Math.floor(defaultOutageMs(budgetMs))) };
}

/**
 * Returns the shortest budget, in whole ms, that outlasts an outage; `null` if none does.
 * `leastMs`: the smallest budget accepted.
 */
export function shortestBudgetMs(
  surviveOutageMs: number,
  means: OutageMeans,
  leastMs: number = SMALLEST_BUDGET_MS,
): number | null {
  const isEnough = (budgetMs: number): boolean =>
    longestOutage(budgetMs, means).longestMs >= surviveOutageMs;
  if (!isEnough(LARGEST_BUDGET_MS)) return null;
  let [low, high] = [leastMs, LARGEST_BUDGET_MS];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (isEnough(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/**
 * Refuses a pair that cannot be had.
 *
 * @throws OutageBoundError
 */
export function requirePossible(pair: OutagePair, means: OutageMeans, leastMs?: number): void {
  const { detectWithinMs, surviveOutageMs } = pair;
  if (!isQuickBudget(detectWithinMs) && surviveOutageMs <= defaultOutageMs(detectWithinMs)) return;
  const { longestMs, because } = longestOutage(detectWithinMs, means);
  if (surviveOutageMs <= longestMs) return;
  const shortestMs = shortestBudgetMs(surviveOutageMs, means, leastMs);
  const nearest =
    shortestMs === null
      ? {
          detectWithinMs: LARGEST_BUDGET_MS,
          surviveOutageMs: longestOutage(LARGEST_BUDGET_MS, means).longestMs,
        }
      : { detectWithinMs: shortestMs, surviveOutageMs };
  throw new OutageBoundError(pair, { longestOutageMs: longestMs, nearest, because });
}

/** Returns the quiet time before a heartbeat, with which both numbers are kept. */
export function quietBoundMs(
  budgetMs: number,
  surviveOutageMs: number,
  hasRtoCap: boolean,
): number {
  return budgetMs - flightLatenessMs(budgetMs) - returnMs(budgetMs, surviveOutageMs, hasRtoCap);
}

/**
 * Returns when the kernel has sent again what an outage swallowed, counted from the beginning of
 * the outage. The gap at its end is no longer than the outage was, nor than the cap; the kernel's
 * timers are late by up to an eighth.
 */
export function returnMs(budgetMs: number, outageMs: number, hasRtoCap: boolean): number {
  const gapMs = hasRtoCap ? Math.min(outageMs, longestGapMs(budgetMs)) : outageMs;
  return outageMs + TIMER_LATE * gapMs;
}

function idleBound(budgetMs: number, { confirmingMs, keepalive }: OutageMeans): OutageBound {
  if (keepalive)
    return {
      longestMs: longestSurvived(budgetMs, keepalive),
      because: "only the system's keepalive shows whether the host answers, and it takes its steps",
    };
  const afterMs = confirmingMs ? confirmingMs(budgetMs) : PAST_MS + ANSWER_WINDOW_MS;
  return {
    longestMs: Math.floor(
      budgetMs - LEAST_IDLE_MS - KEEPALIVE_LATENESS_MS - afterMs - ownLatenessMs(budgetMs),
    ),
    because: confirmingMs
      ? "two verdicts are needed, and the kernel probes after one second of silence at the earliest"
      : "the kernel probes after one second of silence at the earliest",
  };
}

function inFlightBound(
  budgetMs: number,
  { hasRtoCap, hasHeartbeat, keepalive }: OutageMeans,
): OutageBound {
  // Without evidence, data in flight is left to the system's own patience.
  if (keepalive && !hasHeartbeat)
    return { longestMs: Number.POSITIVE_INFINITY, because: "nothing bounds it" };
  const quietMs = hasHeartbeat ? LEAST_QUIET_MS : 0;
  const restMs = budgetMs - flightLatenessMs(budgetMs) - quietMs;
  const uncappedMs = restMs / (1 + TIMER_LATE);
  const cappedMs = restMs - TIMER_LATE * longestGapMs(budgetMs);
  const isCapped = hasRtoCap && cappedMs > uncappedMs;
  const before = hasHeartbeat ? `, and a heartbeat leaves ${LEAST_QUIET_MS} ms late` : "";
  return {
    longestMs: Math.floor(isCapped ? cappedMs : uncappedMs),
    because: isCapped
      ? `the kernel sends data again up to ${Math.ceil(TIMER_LATE * longestGapMs(budgetMs))} ms after an outage${before}`
      : `the kernel sends data again as long after an outage as the outage lasted${before}${
          hasRtoCap ? "" : "; TCP_RTO_MAX_MS (Linux 6.15) would shorten that"
        }`,
  };
}

/** The cap on backoff, as rtoCapMs sets it on a short path. */
function longestGapMs(budgetMs: number): number {
  return Math.min(UNCAPPED_RTO_MS, Math.max(SMALLEST_CAP_MS, budgetMs / 5));
}

/** The time of a reading, of an answer, and of our own timers. */
export function flightLatenessMs(budgetMs: number): number {
  return flightPollMs(budgetMs) + ANSWER_WINDOW_MS + ownLatenessMs(budgetMs);
}

/** TCP_KEEPIDLE's least: no probe leaves after a shorter silence. */
export const LEAST_IDLE_MS = 1000;

/** A heartbeat leaves this long after the last sign of life at the earliest. */
export const LEAST_QUIET_MS = 250;
