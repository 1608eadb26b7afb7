import { outlastingNeededAtDeadline } from "./probe-plan.ts";
import type { Silence } from "./silence.ts";

/** Returns whether the answer to an attempt is missing, so that the peer is suspect. */
export function isMissed(
  { now, flow, attempts, timing, progressAt }: Silence,
  retransmits: number,
  budgetMs: number,
): boolean {
  if (attempts.count === 0) return false;
  if (flow !== "in-flight") return now - attempts.firstAt >= timing.patientWindowMs;
  if (timing.lateMs > 0 && now - progressAt < timing.patientWindowMs) return false;
  // One retransmission is everyday loss. Two, or this long without progress (half a second at a
  // budget of 5 s), deserve suspicion.
  return retransmits >= 2 || now - progressAt >= Math.max(2 * timing.rtoMs, 0.1 * budgetMs);
}

/**
 * Returns whether the silence proves death: neither the path's loss nor an outage that is to be
 * survived explains it. `needed`: how many unanswered attempts the loss does not explain.
 */
export function isProven(it: Silence, needed: number): boolean {
  return it.attempts.settled >= needed && outlasting(it) >= it.plan.outlastingNeeded;
}

/**
 * Decides whether the attempts so far prove death although the budget has ended.
 *
 * The end of the budget hurries the proof that this is no outage: fewer attempts have to outlast
 * one. It does not hurry the proof that this is no loss, unless `isToEnd`. On a path with heavy
 * loss the budget is exceeded rather than a live peer killed.
 *
 * Probes that this process sent late or left out do not count against the peer: `room` is the
 * number of outage-outlasting attempts that the budget had time for.
 */
export function isProvenAtDeadline(
  it: Silence,
  needed: number,
  isToEnd: boolean,
  mustOutlastOutages: boolean,
): boolean {
  const { attempts, timing, flow, outageMs, progressAt, deadline, now, backoff } = it;
  if (attempts.settled < (isToEnd ? Math.min(FEWEST_AT_DEADLINE, needed) : needed)) return false;
  if (!mustOutlastOutages) return true;

  const settled = Math.max(
    outlasting(it),
    timing.settledBeyond(outageMs, flow, attempts, now, backoff),
  );
  const room = timing.roomBeyond(outageMs, flow, attempts, progressAt, deadline, backoff);
  return settled >= outlastingNeededAtDeadline(it.loss, room);
}

/** Returns whether an attempt that left beyond the longest survived outage is unanswered. */
export function hasOutlasted(it: Silence): boolean {
  const { attempts, timing, flow, outageMs } = it;
  if (attempts.count === 0) return false;
  return (
    attempts.settledOutlasting > 0 ||
    timing.settledBeyond(outageMs, flow, attempts, it.now, it.backoff) > 0
  );
}

/**
 * Returns whether no further attempt can be judged within the budget: the last one went unanswered,
 * and the kernel's next one comes too late. The peer is still heard, so only an attempt of ours
 * could show more. Its answer gets more time than usual: there is no hurry, and the round trip may
 * have become longer (test/fuzz/finds.json, 97455349).
 */
export function isLastWord(
  { now, flow, attempts, timing, backoff, deadline, isAnswerDue }: Silence,
  budgetMs: number,
): boolean {
  if (flow !== "in-flight" || !isAnswerDue) return false;
  if (now - attempts.lastAtLatest < LAST_WORD_SHARE * budgetMs) return false;
  return (
    attempts.lastAt + timing.retransmitGapMs(backoff) + timing.patientHurriedWindowMs > deadline
  );
}

/**
 * Counts the attempts that outlast the outage and whose answer window has passed. The kernel went
 * on while this process stood still, so its counters prove what our clock may not claim. Counters
 * that began before the watch prove nothing.
 */
function outlasting({
  attempts,
  timing,
  flow,
  outageMs,
  now,
  backoff,
  isAnswerDue,
}: Silence): number {
  if (flow !== "in-flight" || attempts.found > 0) return attempts.settledOutlasting;
  if (isAnswerDue)
    return Math.max(attempts.outlasting, timing.retransmitsBeyond(outageMs, backoff));
  return Math.max(
    attempts.settledOutlasting,
    timing.settledBeyond(outageMs, flow, attempts, now, backoff),
  );
}

/** The last word waits this share of the budget for its answer. */
const LAST_WORD_SHARE = 0.1;

/** With `atDeadline: "end"` this many unanswered attempts suffice once the budget has ended. */
const FEWEST_AT_DEADLINE = 2;
