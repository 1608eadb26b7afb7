import { TIMER_LATE } from "./lateness.ts";
import { defaultOutageMs, SMALLEST_BUDGET_MS } from "./probe-plan.ts";
import { firstAttemptBeyond, SMALLEST_RTO_MS } from "./retransmission-times.ts";

/**
 * The times of a budget too short for keepalive, which only heartbeats can fill
 * (docs/internals/bounds.md#half-a-second). All in ms.
 *
 * | after the last evidence | what happens                                                       |
 * |-------------------------|--------------------------------------------------------------------|
 * | quiet                   | a heartbeat leaves, the first attempt                              |
 * | + window                | its answer is missing: another one every beat                      |
 * | + first timeout         | nothing new leaves any more; the kernel repeats the first, backing |
 * |                         | off                                                                |
 * | + outage                | the next attempt outlasts it                                       |
 * | + window                | its answer is missing too: the verdict                             |
 */
export interface QuickTerms {
  readonly budgetMs: number;
  /** The longest outage that must not end the connection. */
  readonly outageMs: number;
  /** Silence of the process after which a heartbeat leaves. */
  readonly quietMs: number;
  /** The first retransmission timeout of the path. */
  readonly rtoMs: number;
  /** How long an acknowledgment may take. */
  readonly windowMs: number;
}

/** A path, as its kernel knows it. Default: a short one. */
interface PathTimes {
  readonly rttMs: number;
  readonly rtoMs: number;
}

/** Returns whether the budget is too short for keepalive. */
export function isQuickBudget(budgetMs: number): boolean {
  return budgetMs < SMALLEST_BUDGET_MS;
}

/** Returns the outage that a budget survives: the one chosen, or as much as is usual. */
export function outageOf(budgetMs: number, chosenMs?: number | null): number {
  if (chosenMs !== undefined && chosenMs !== null) return chosenMs;
  const usualMs = defaultOutageMs(budgetMs);
  return isQuickBudget(budgetMs) ? Math.min(usualMs, longestQuickOutage(budgetMs)) : usualMs;
}

/** Returns the times that a budget and an outage leave on a path. */
export function quickTerms(
  budgetMs: number,
  outageMs: number,
  { rttMs, rtoMs }: PathTimes = SHORT_PATH,
): QuickTerms {
  const windowMs = rttMs + ACK_MS;
  const roomMs = budgetMs - proofMs(outageMs, rtoMs) - windowMs - LATENESS_MS;
  const quietMs = Math.max(LEAST_QUIET_MS, Math.min(QUIET_SHARE * budgetMs, roomMs));
  return { budgetMs, outageMs, quietMs: Math.floor(quietMs), rtoMs, windowMs };
}

/** Returns within what time a dead peer is found. */
export function quickWithinMs({ outageMs, quietMs, rtoMs, windowMs }: QuickTerms): number {
  return Math.ceil(quietMs + proofMs(outageMs, rtoMs) + windowMs + LATENESS_MS);
}

/** Returns the longest outage, in whole ms, that a short budget can outlast on a short path. */
export function longestQuickOutage(budgetMs: number): number {
  let [low, high] = [0, budgetMs];
  const isKept = (outageMs: number): boolean =>
    quickWithinMs(quickTerms(budgetMs, outageMs)) <= budgetMs;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (isKept(middle)) low = middle;
    else high = middle - 1;
  }
  return low;
}

/**
 * Returns when the last attempt has left that the proof needs, counted from the first: one beyond
 * the outage, and as many as loss does not explain on a path that has lost nothing. After the first
 * timeout the kernel sends nothing new, so it sends that one by its backoff.
 */
function proofMs(outageMs: number, rtoMs: number): number {
  const beyondMs = Math.max(outageMs, LOSS_PROOF_MS) + BEAT_MS + TICK_MS;
  if (beyondMs < rtoMs) return beyondMs;
  return TIMER_LATE * firstAttemptBeyond(outageMs, rtoMs, null);
}

/** How far apart heartbeats leave once an acknowledgment is missing: two ticks of the engine. */
export const BEAT_MS = 20;

/** A tick of the engine. */
export const TICK_MS = 10;

/** Six attempts: the first, and five a beat apart when its answer is missing. */
const LOSS_PROOF_MS = 50 + 4 * BEAT_MS;

/** Linux delays an ACK by 40 ms (TCP_DELACK_MIN), and its clock ticks every 4 or 10 ms. */
export const ACK_MS = 50;

/** The last tick of the engine and the ages of TCP_INFO. */
export const LATENESS_MS = 30;

/** The quiet time is this share of the budget, where the proof leaves it. */
const QUIET_SHARE = 0.2;
const LEAST_QUIET_MS = 50;

/** Smallest budget that heartbeats can keep. */
export const SMALLEST_QUICK_BUDGET_MS = 300;

const SHORT_PATH: PathTimes = { rttMs: 0, rtoMs: SMALLEST_RTO_MS };
