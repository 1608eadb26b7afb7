import { outlastingNeededAtDeadline } from "./probe-plan.ts";
import type { Silence } from "./silence.ts";

/** An answer should have come by now. */
export function isMissed(
  { now, flow, attempts, timing, progressAt }: Silence,
  retransmits: number,
  budgetMs: number,
): boolean {
  if (attempts.count === 0) return false;
  if (flow !== "in-flight") return now - attempts.firstAt >= timing.answerWindowMs;
  // One retransmission is everyday loss; two, or half a second without progress, deserve a closer
  // look.
  return retransmits >= 2 || now - progressAt >= Math.max(2 * timing.rtoMs, 0.1 * budgetMs);
}

/**
 * Neither the path's loss nor an outage that is to be survived explains so much silence. `needed`:
 * how many attempts the loss does not explain.
 */
export function isProven(it: Silence, needed: number): boolean {
  return it.attempts.settled >= needed && outlasting(it) >= it.plan.outlastingNeeded;
}

/**
 * The same where the budget is over. That hurries the proof that this is no outage; that it is no
 * loss the proof still waits for, unless `isToEnd`.
 */
export function isProvenAtDeadline(
  it: Silence,
  needed: number,
  isToEnd: boolean,
  mustOutlastOutages: boolean,
): boolean {
  const { attempts, timing, flow, outageMs } = it;
  if (attempts.settled < (isToEnd ? Math.min(FEWEST_AT_DEADLINE, needed) : needed)) return false;
  if (!mustOutlastOutages) return true;
  const settled = Math.max(
    attempts.settledOutlasting,
    timing.settledBeyond(outageMs, flow, attempts, it.now, it.backoff),
  );
  const room = timing.roomBeyond(outageMs, flow, attempts, it.progressAt, it.deadline, it.backoff);
  return settled >= outlastingNeededAtDeadline(it.loss, room);
}

/**
 * Of a peer that is heard only an attempt of ours could tell more, and the kernel's next one comes
 * too late for the budget.
 */
export function isLastWord({
  flow,
  attempts,
  timing,
  backoff,
  deadline,
  isAnswerDue,
}: Silence): boolean {
  if (flow !== "in-flight" || !isAnswerDue) return false;
  return attempts.lastAt + timing.retransmitGapMs(backoff) + timing.hurriedWindowMs > deadline;
}

/**
 * Attempts that outlast the outage and had their time. While this process stood still the kernel
 * went on: its own counters prove what our clock may not claim; not where they began before we
 * came.
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

/** With `atDeadline: "end"` so many unanswered attempts do where the budget is over. */
const FEWEST_AT_DEADLINE = 2;
