/**
 * How a silent connection is questioned: when the first keepalive probe leaves, how far apart the following ones are, and
 * how many must stay unanswered before silence proves death.
 *
 * Two demands bound the verdict from below. *Loss*: a live peer may miss k attempts in a row with probability loss^k, so at
 * least k* = ceil(ln(accepted) / ln(loss)) attempts (detectors.md, section 5). *Outage*: an outage shorter than
 * {@link OUTAGE_SHARE} of the budget must not end a connection, and one outage can swallow every attempt inside it. Only those
 * count against it that leave when it must be over, and a path that has outages loses single packets too: two of them, and more
 * where loss is known. The budget bounds it all from above: where it ends before, a single one must do.
 */

/** Share of the budget that an outage may last without ending a connection. */
export const OUTAGE_SHARE = 0.4;
/** Accepted probability that one verdict of death is wrong by loss alone. */
const ACCEPTED_FALSE_ALARM = 1e-6;
/** The same by loss right after an outage: that needs the outage first, in just such a moment and nearly as long as is promised to be survived. */
const ACCEPTED_AFTER_OUTAGE = 1e-4;
/** A Linux peer answers keepalive probes at most every 500 ms (tcp_invalid_ratelimit); closer ones prove nothing. */
export const PROBE_SPACING_MS = 600;
/**
 * Smallest budget accepted: 1 s of silence before the kernel can be asked, 0.4 x budget between first and last attempt, one answer
 * window. At 2000 ms the first would be found late, or the second would end a connection over an outage that is promised to be survived
 * (both in liveness.sim.test.ts).
 */
export const SMALLEST_BUDGET_MS = 2500;
/** Longest budget accepted, one day: beyond it the kernel's own two-hour keepalive is the better tool. */
export const LARGEST_BUDGET_MS = 86_400_000;
/** When the budget ends before the proof is complete, two unanswered attempts do on a path not known for loss... */
const KNOWN_LOSS = 0.02;
/** ...and on any other so many that a live peer misses them all with this probability, even if the budget is exceeded for it. */
const ACCEPTED_AT_DEADLINE = 1e-5;
/** The same of those that leave after an outage. */
const ACCEPTED_AFTER_OUTAGE_AT_DEADLINE = 0.02;
/** A quotient of logarithms that should be whole may come out a little above. */
const ROUNDING = 1e-9;
/** Kernel timers fire up to 1/8 late, and the standing keepalive re-arms in steps of at most its interval: measured 20-64 ms on 6.18. */
const KERNEL_LATENESS_MS = 70;
/** So much beyond an outage is certainly beyond. */
const PAST_MS = 5;
const SMALLEST_OWN_LATENESS_MS = 30;
const LARGEST_OWN_LATENESS_MS = 150;

export interface ProbePlanInput {
  readonly budgetMs: number;
  /** Time after which a missing answer counts as missing. */
  readonly answerWindowMs: number;
  /** Share of attempts lost, 0 to 1. */
  readonly lossRatio: number;
  /** First retransmission timeout. */
  readonly rtoMs: number;
  /** The cap on retransmission backoff (TCP_RTO_MAX_MS), `null` where it cannot be set. */
  readonly rtoMaxMs: number | null;
}

export interface ProbePlan {
  /** Silence after which the kernel's standing keepalive probes; whole seconds. */
  readonly idleMs: number;
  /** Unanswered attempts that silence needs to prove death... */
  readonly attemptsNeeded: number;
  /** ...and how many of them must have left when an outage that began with the first one would have been over. */
  readonly outlastingNeeded: number;
}

export function planProbes(input: ProbePlanInput): ProbePlan {
  const outageMs = OUTAGE_SHARE * input.budgetMs;
  const attemptsNeeded = attemptsNeededAt(input.lossRatio);
  const outlastingNeeded = attemptsNeededAt(input.lossRatio, ACCEPTED_AFTER_OUTAGE);
  const questioningMs = Math.max(outageMs + (outlastingNeeded - 1) * PROBE_SPACING_MS, (attemptsNeeded - 1) * PROBE_SPACING_MS);
  const inFlightMs = firstAttemptBeyond(outageMs, input.rtoMs, input.rtoMaxMs);
  const left =
    input.budgetMs - Math.max(questioningMs, inFlightMs) - input.answerWindowMs - KERNEL_LATENESS_MS - ownLatenessMs(input.budgetMs);
  return { idleMs: Math.min(32_767_000, Math.max(1000, Math.floor(left / 1000) * 1000)), attemptsNeeded, outlastingNeeded };
}

/**
 * What is left for our own timers between the last answer window and the end of the budget: with 15,000 connections, and outages, one of a
 * hundred verdicts that fell at the end came 50 to 110 ms behind it (bench/soak).
 */
export function ownLatenessMs(budgetMs: number): number {
  return Math.min(LARGEST_OWN_LATENESS_MS, Math.max(SMALLEST_OWN_LATENESS_MS, 0.015 * budgetMs));
}

/** Least number of lost attempts in a row that a live peer reaches with no more than the accepted probability. Never fewer than two. */
export function attemptsNeededAt(lossRatio: number, accepted: number = ACCEPTED_FALSE_ALARM): number {
  if (lossRatio <= 0) return 2;
  if (lossRatio >= 1) return Number.POSITIVE_INFINITY;
  return Math.max(2, Math.ceil(Math.log(accepted) / Math.log(lossRatio) - ROUNDING));
}

/**
 * Whether so many unanswered attempts do where the budget is over, of which so many outlast an outage. Where loss is heavy it is exceeded rather
 * than a live peer ended; and where we asked less often than planned: of those that outlast an outage the budget had `room` for so many.
 */
export function isEnoughAtDeadline(lossRatio: number, unanswered: number, outlasting: number, room: number): boolean {
  const outlastingNeeded = attemptsNeededAt(lossRatio, ACCEPTED_AFTER_OUTAGE_AT_DEADLINE);
  if (lossRatio > KNOWN_LOSS) return outlasting >= outlastingNeeded && lossRatio ** unanswered <= ACCEPTED_AT_DEADLINE;
  return unanswered >= 2 && outlasting >= Math.max(1, Math.min(room, outlastingNeeded));
}

/**
 * Offset of the first transmission of unacknowledged data that falls later than `spanMs` after the first one: at once, a tail
 * loss probe, then retransmissions that double up to the cap. Measured on a LAN (6.18): 0, 0.21, 0.44, 0.85, 1.70, 3.35 s.
 */
function firstAttemptBeyond(spanMs: number, rtoMs: number, rtoMaxMs: number | null): number {
  const cap = rtoMaxMs ?? 120_000;
  let at = rtoMs; // the tail loss probe goes first and restarts the timer
  let gap = Math.min(rtoMs, cap);
  while (at < spanMs) {
    at += gap;
    gap = Math.min(gap * 2, cap);
  }
  return at;
}

/** When the probes of a burst leave: evenly spread over what an outage may last, then as close as answers can come. */
export interface Burst {
  readonly firstAt: number;
  readonly outageMs: number;
  /** So many of them shall leave after the outage... */
  readonly outlasting: number;
  /** ...and the burst have at least so many in all. */
  readonly attempts: number;
  /** Later ones could not be judged in time. */
  readonly lastBy: number;
}

/** When the next probe leaves, one leaving now. */
export function nextProbeAt(now: number, { firstAt, outageMs, outlasting, attempts, lastBy }: Burst): number {
  const tailMs = (outlasting - 1) * PROBE_SPACING_MS;
  const lastAt = Math.min(lastBy, firstAt + Math.max(outageMs + tailMs, (attempts - 1) * PROBE_SPACING_MS) + PAST_MS);
  const tailAt = Math.max(lastAt - tailMs, Math.min(lastAt, firstAt + outageMs + PAST_MS));
  if (now >= tailAt - PAST_MS) return now + PROBE_SPACING_MS;
  const room = tailAt - firstAt;
  return now + Math.max(PROBE_SPACING_MS, room / Math.max(1, Math.floor(room / PROBE_SPACING_MS)));
}
