import { KEEPALIVE_LATENESS_MS, ownLatenessMs, TIMER_LATE } from "./lateness.ts";
import { windowOfLate } from "./path-delay.ts";
import { firstAttemptBeyond, nthAttemptAt } from "./retransmission-times.ts";

/**
 * How a silent connection is probed: when the first keepalive probe leaves, how far apart the next
 * ones are, and how many must stay unanswered before silence proves death.
 *
 * Two demands delay the verdict:
 *
 * - *Loss*. A live peer may miss all attempts of a silence, but only in the accepted share of the
 *   silences of an hour (falseAlarmsPerYear, by default one in a million connection-hours). How
 *   many attempts that takes depends on what is believed of the path (loss-belief.ts).
 * - *Outage*. An outage shorter than `surviveOutageMs` must not end a connection, and one outage
 *   can swallow every attempt inside it. So only attempts that leave when it must be over count
 *   against an outage. A path that has outages loses single packets too, so two of these attempts
 *   are needed, and more where loss is known. outage-bound.ts derives how long it may be.
 *
 * The end of the budget hurries the second demand, never the first. Where the budget has no room
 * for the attempts, it is exceeded.
 */
export interface ProbePlan {
  /** Silence after which the kernel's standing keepalive probes; whole seconds. */
  readonly idleMs: number;
  /** Unanswered attempts that prove death while idle. */
  readonly attemptsNeeded: number;
  /** How many of these must outlast an outage that began with the first one. */
  readonly outlastingNeeded: number;
  /** A dead peer is found at most this long after the last evidence, while idle. */
  readonly idleWithinMs: number;
  /** The same with data in flight. */
  readonly inFlightWithinMs: number;
  /** The same behind a closed window; `null` where the kernel probes it ever more rarely. */
  readonly closedWindowWithinMs: number | null;
}

export interface ProbePlanInput {
  readonly budgetMs: number;
  /** The longest outage that must not end the connection; default 0.4 of the budget. */
  readonly surviveOutageMs?: number | undefined;
  /** Accepted false alarms per connection and year. */
  readonly falseAlarmsPerYear: number;
  /** Time after which a missing answer counts as missing. */
  readonly answerWindowMs: number;
  readonly loss: Belief;
  /** First retransmission timeout. */
  readonly rtoMs: number;
  /** The cap on retransmission backoff (TCP_RTO_MAX_MS), `null` where it cannot be set. */
  readonly rtoMaxMs: number | null;
  /** How late answers come on this path; default 0, within the answer window. */
  readonly lateMs?: number;
  /**
   * Least idle time; default 0. Where answers were late a probe waits for those to the ones before
   * it. Otherwise it would not show which of them was answered.
   */
  readonly leastIdleMs?: number;
}

/**
 * A belief about loss: how many attempts in a row a live peer misses with a given chance at most.
 */
export interface Belief {
  attemptsNeeded(accepted: number): number;
}

/**
 * Plans the probes: with the longest idle time, in whole seconds, that leaves room for all
 * attempts, but at least one second.
 */
export function planProbes(input: ProbePlanInput): ProbePlan {
  const { budgetMs, loss, falseAlarmsPerYear, answerWindowMs } = input;
  const outageMs = input.surviveOutageMs ?? defaultOutageMs(budgetMs);
  const spacingMs = probeSpacingMs(outageMs);
  const outlastingNeeded = outlastingNeededBy(loss);
  // Probes on demand begin when the standing one is missed. Long answer windows are also checked
  // later (simulated up to a round trip of 2 s).
  const lateStartMs = answerWindowMs <= spacingMs ? 0 : LONG_WINDOWS * answerWindowMs - spacingMs;
  const marginMs = answerWindowMs + KEEPALIVE_LATENESS_MS + ownLatenessMs(budgetMs);

  const inFlight = attemptsNeededBy(loss, "in-flight", falseAlarmsPerYear, 0);
  const blocked = attemptsNeededBy(loss, "blocked", falseAlarmsPerYear, 0);
  const outlastsMs = firstAttemptBeyond(outageMs, input.rtoMs, input.rtoMaxMs);
  const lastInFlightMs = Math.max(
    outlastsMs,
    // The kernel does not always count the tail loss probe.
    nthAttemptAt(inFlight + 1, input.rtoMs, input.rtoMaxMs),
  );

  const probing = (idleMs: number): { readonly attempts: number; readonly ms: number } => {
    const attempts = attemptsNeededBy(loss, "idle", falseAlarmsPerYear, idleMs);
    const ms = Math.max(
      outageMs + (outlastingNeeded - 1) * spacingMs,
      lateStartMs + (attempts - 1) * spacingMs,
    );
    return { attempts, ms };
  };

  const longest = Math.floor(
    (budgetMs - Math.max(probing(LONGEST_IDLE_MS).ms, outlastsMs) - marginMs) / 1000,
  );
  let idleMs = Math.min(LONGEST_IDLE_MS, Math.max(1000, longest * 1000));
  while (idleMs > 1000 && idleMs + probing(idleMs).ms + marginMs > budgetMs) idleMs -= 1000;

  const { lateMs = 0, leastIdleMs = 0 } = input;
  idleMs = Math.max(idleMs, Math.ceil(leastIdleMs / 1000) * 1000);
  const { attempts, ms } = probing(idleMs);
  // Where the outage is longer than the default, the end of the budget hurries the proof.
  const isLong = outageMs > defaultOutageMs(budgetMs);
  const restMs = isLong ? Math.max(outageMs, lateStartMs + (attempts - 1) * spacingMs) : ms;
  const gapsMs = (isLong ? TIMER_LATE : 2) * (input.rtoMaxMs ?? 0);
  const lateWindowMs = lateMs > 0 ? windowOfLate(lateMs) - answerWindowMs : 0;
  return {
    idleMs,
    attemptsNeeded: attempts,
    outlastingNeeded,
    // Probes on demand wait for the first answer, and the verdict for the last one.
    idleWithinMs: idleMs + restMs + marginMs + lateMs + lateWindowMs,
    inFlightWithinMs: lastInFlightMs + marginMs + lateWindowMs,
    closedWindowWithinMs:
      input.rtoMaxMs === null
        ? null
        : Math.max(blocked * input.rtoMaxMs, outageMs + gapsMs) + marginMs + lateWindowMs,
  };
}

/** Returns how far apart probes leave at least. */
export function probeSpacingMs(outageMs: number): number {
  return Math.max(PROBE_SPACING_MS, outageMs / PROBES_IN_AN_OUTAGE);
}

/**
 * Returns how many unanswered attempts prove death, which depends on what the connection is doing.
 * `idleMs`: an idle connection falls silent once in this time.
 */
export function attemptsNeededBy(
  loss: Belief,
  flow: "idle" | "in-flight" | "blocked" | "local",
  falseAlarmsPerYear: number,
  idleMs: number,
): number {
  if (flow === "local") return LOCAL_ATTEMPTS;
  const idleSilences = 3_600_000 / Math.max(1000, idleMs);
  const silences =
    flow === "idle" ? idleSilences : flow === "in-flight" ? WRITES_AN_HOUR : WINDOW_PROBES_AN_HOUR;
  return loss.attemptsNeeded(falseAlarmsPerYear / HOURS_A_YEAR / silences);
}

/** Returns how many of the attempts must outlast an outage. */
export function outlastingNeededBy(loss: Belief): number {
  return loss.attemptsNeeded(ACCEPTED_AFTER_OUTAGE);
}

/**
 * Returns how many attempts must outlast an outage once the budget has ended. That is fewer, and at
 * most `room`, the number that the budget had time for: our own lateness is not held against the
 * peer.
 */
export function outlastingNeededAtDeadline(loss: Belief, room: number): number {
  return Math.max(1, Math.min(room, loss.attemptsNeeded(ACCEPTED_AFTER_OUTAGE_AT_DEADLINE)));
}

/** Returns the longest outage that must not end a connection, unless its user chooses another. */
export function defaultOutageMs(budgetMs: number): number {
  return OUTAGE_SHARE * budgetMs;
}

/** Share of the budget that an outage may last by default without ending a connection. */
export const OUTAGE_SHARE = 0.4;

/** One false alarm in a million connection-hours. */
export const DEFAULT_FALSE_ALARMS_PER_YEAR = 8766e-6;
const HOURS_A_YEAR = 8766;

/**
 * Accepted chance that loss right after an outage takes all attempts that outlast it. The outage
 * has to come first, at just that moment, and last nearly as long as is promised to be survived.
 */
const ACCEPTED_AFTER_OUTAGE = 1e-4;

/** The same once the budget has ended. */
const ACCEPTED_AFTER_OUTAGE_AT_DEADLINE = 0.02;

/**
 * Attempts that fail on this host say nothing about the path. Three are enough if they outlast an
 * outage.
 */
const LOCAL_ATTEMPTS = 3;

/** The time after which an answer is missing on a short path (path-timing.ts). */
export const ANSWER_WINDOW_MS = 200;

/** An attempt this long after the end of an outage is certainly beyond it. */
export const PAST_MS = 5;

/**
 * A Linux peer answers keepalive probes at most every 500 ms (tcp_invalid_ratelimit). Closer probes
 * prove nothing.
 */
export const PROBE_SPACING_MS = 600;

/**
 * More probes than this within a survived outage only cost traffic, and the kernel counts no more
 * than 127 (MAX_TCP_KEEPCNT).
 */
const PROBES_IN_AN_OUTAGE = 20;

/**
 * Silences of an hour in which data in flight may be lost: one a second. A program that writes more
 * often also gives evidence about its path sooner.
 */
const WRITES_AN_HOUR = 3600;

/**
 * Silences of an hour behind a closed window. It is probed once a second, and assumed to be closed
 * a hundredth of the time.
 */
const WINDOW_PROBES_AN_HOUR = 36;

/**
 * Smallest budget accepted. Where seven attempts prove death, it is exceeded
 * (docs/when-it-fires.md#the-budget-and-the-rate).
 */
export const SMALLEST_BUDGET_MS = 2500;

/**
 * Longest budget accepted, one day. Beyond it the kernel's own two-hour keepalive is the better
 * tool.
 */
export const LARGEST_BUDGET_MS = 86_400_000;

const LONG_WINDOWS = 1.6;

/** MAX_TCP_KEEPIDLE, in ms. */
const LONGEST_IDLE_MS = 32_767_000;
