import type { Instant } from "../time/instant.ts";
import { flightPollMs, HURRIED_POLL_MS } from "./lateness.ts";
import { LEAST_IDLE_MS } from "./outage-bound.ts";
import { defaultOutageMs, PAST_MS, PROBE_SPACING_MS, probeSpacingMs } from "./probe-plan.ts";
import type { Silence } from "./silence.ts";

/** The facts beside the silence that decide when the next reading is due. */
export interface Outlook {
  readonly budgetMs: number;
  readonly wantsNudge: boolean;
  readonly nextNudgeAt: Instant;
  /** Unanswered probes prove nothing, so haste gains nothing. */
  readonly isUnproven: boolean;
  /** When a reading decides whether answers were lost or late; infinite: it is decided. */
  readonly decidesAt: Instant;
}

/** Returns when to take the next reading: at the earliest instant that may bring news. */
export function nextLookAt(silence: Silence, outlook: Outlook): Instant {
  return Math.min(nextNewsAt(silence, outlook), afterNow(silence.now, outlook.decidesAt));
}

function nextNewsAt(silence: Silence, outlook: Outlook): Instant {
  const { now, flow, attempts, timing, standingBy, deadline, budgetEnd, nudgeDueAt } = silence;
  const { wantsNudge } = outlook;
  const isRoutine = flow === "idle" && !wantsNudge && attempts.count === 0 && nudgeDueAt === NEVER;
  if (isRoutine) return Math.max(now + 1, standingBy + timing.answerWindowMs);

  const windowEnd = attempts.count > 0 ? attempts.lastAtLatest + timing.patientWindowMs : NEVER;
  const soonest = Math.min(nextEventAt(silence, outlook), nudgeDueAt, afterNow(now, windowEnd));
  if (deadline > now) return Math.min(soonest, deadline);

  const hurriedEnd = attempts.lastAtLatest + timing.patientHurriedWindowMs;
  return Math.min(soonest, afterNow(now, budgetEnd), afterNow(now, hurriedEnd));
}

/** Returns when the kernel, the peer or this process may send something. */
function nextEventAt(silence: Silence, outlook: Outlook): Instant {
  const { now, flow, standingBy, deadline } = silence;
  const { nextNudgeAt, isUnproven, budgetMs } = outlook;
  const isHurried = now >= deadline && !isUnproven;
  const pollAt = now + (isHurried ? HURRIED_POLL_MS : flightPollMs(budgetMs));

  // Only frequent readings show when the kernel sent.
  if (flow !== "idle") return pollAt;
  if (outlook.wantsNudge) return now + PROBE_SPACING_MS;
  // Something is unanswered before the standing probe is due. Either the peer is deaf, which only
  // readings show, or a probe left early.
  if (now < standingBy) return silence.isDeaf ? pollAt : Math.max(standingBy, nextNudgeAt);
  // The program may write meanwhile, so a far probe is not waited for.
  return Math.min(Math.max(now + 1, nextNudgeAt), now + silence.routineMs);
}

/**
 * Returns when the first probe leaves at the latest, after the peer was heard at `heardAt`. What
 * was heard before a long pause of this process, until `resumedAt`, is not waited on.
 */
export function standingProbeBy(heardAt: Instant, quietMs: number, resumedAt: Instant): Instant {
  const routineAt = heardAt + quietMs;
  if (resumedAt <= heardAt) return routineAt;
  return Math.min(routineAt, Math.max(resumedAt, heardAt + LEAST_IDLE_MS));
}

/**
 * Returns when the budget began: at the last evidence, but no longer before the first attempt than
 * the routine waits to send one. After a long pause, until `resumedAt`, half of it is left.
 */
export function budgetFrom(
  provedAt: Instant,
  { count, firstAt }: { readonly count: number; readonly firstAt: Instant },
  quietMs: number,
  resumedAt: Instant | null,
  budgetMs: number,
): Instant {
  if (resumedAt !== null) return Math.min(provedAt, resumedAt - budgetMs / 2);
  return count > 0 ? Math.max(provedAt, firstAt - quietMs) : provedAt;
}

function afterNow(now: Instant, at: Instant): Instant {
  return at > now ? at : NEVER;
}

/**
 * A burst of probes. They leave evenly spread over the time that an outage may last, then as close
 * as answers can come. Where time is short, they leave as close as that from the start.
 */
export interface Burst {
  readonly firstAt: Instant;
  readonly outageMs: number;
  /** If the outage is longer than its share of this, not all of `outlasting` may fit in. */
  readonly budgetMs?: number;
  /** How many probes are to leave after the outage. */
  readonly outlasting: number;
  /** How many probes the burst is to have in all. */
  readonly attempts: number;
  /** Later probes could not be judged in time. */
  readonly lastBy: Instant;
}

/** Returns when the next probe of the burst leaves, given that one leaves now. */
export function nextProbeAt(now: Instant, burst: Burst): Instant {
  const { firstAt, outageMs, outlasting, attempts, lastBy } = burst;
  const spacingMs = probeSpacingMs(outageMs);
  const tailMs = (outlasting - 1) * spacingMs;
  const lastAt = Math.min(
    lastBy,
    firstAt + Math.max(outageMs + tailMs, (attempts - 1) * spacingMs) + PAST_MS,
  );
  const tailAt = Math.max(lastAt - tailMs, Math.min(lastAt, firstAt + outageMs + PAST_MS));
  const room = tailAt - firstAt;
  const isLong = outageMs > defaultOutageMs(burst.budgetMs ?? Number.POSITIVE_INFINITY);
  const tail = isLong ? Math.floor((lastAt - tailAt + PAST_MS) / spacingMs) + 1 : outlasting;
  const isTight = Math.floor(room / spacingMs) + Math.min(tail, outlasting) < attempts;

  if (isTight || now >= tailAt - PAST_MS) return now + spacingMs;
  return now + Math.max(spacingMs, room / Math.max(1, Math.floor(room / spacingMs)));
}

const NEVER = Number.POSITIVE_INFINITY;
