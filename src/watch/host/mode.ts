import { type Answers, ORDINARY_ANSWERS, type Siblings } from "../../core/judge/answers.ts";
import type { Judgement } from "../../core/judge/judgement.ts";
import { Liveness } from "../../core/judge/liveness.ts";
import type { LossBelief } from "../../core/judge/loss-belief.ts";
import { PathDelay } from "../../core/judge/path-delay.ts";
import { PathLoss } from "../../core/judge/path-loss.ts";
import { SMALLEST_BUDGET_MS } from "../../core/judge/probe-plan.ts";
import type { Instant } from "../../core/time/instant.ts";
import { ProbeSlots } from "../../core/time/probe-slots.ts";
import { NUDGE_IDLE_MS } from "../../kernel/nudge.ts";
import { engine } from "../engine.ts";
import { shareEqual } from "./share-equal.ts";
import type { Terms } from "./terms.ts";

/** Something is unanswered, or not known yet, so a judge sees every reading. */
export interface Judging {
  readonly kind: "judged";
  readonly judge: Liveness;
  /** The last judgement; `null` before the first reading. */
  judgement: Judgement | null;
}

/**
 * Nothing is open, so a check only compares two readings. Thousands of connections share one
 * object.
 */
export interface Calm {
  readonly kind: "calm";
  /** Silence after which the kernel's standing keepalive probes. */
  readonly idleMs: number;
  /** Silence after which the answer to that probe is missing. */
  readonly routineMs: number;
  /** Unanswered attempts that would prove death by the plan that these times come from. */
  readonly attemptsNeeded: number;
}

const probeSlots = new ProbeSlots();
const shared: (calm: Calm) => Calm = shareEqual();

/** Begins to judge. `path`: what is known about it; `found`: see LivenessOptions. */
export function judging(
  terms: Terms,
  path: {
    readonly siblings: Siblings;
    readonly loss: LossBelief | null;
    readonly answers: Answers | null;
  },
  since: Instant,
  found: number,
): Judging {
  const { siblings } = path;
  const known = {
    siblings,
    loss: new PathLoss(siblings.group, path.loss),
    delay: new PathDelay(siblings.group),
    answers: path.answers ?? ORDINARY_ANSWERS,
  };
  return {
    kind: "judged",
    judge: new Liveness({ ...terms, ...known, found }, since),
    judgement: null,
  };
}

export function calm({ plan, idleMs, routineMs }: Liveness): Calm {
  return shared({ kind: "calm", idleMs, routineMs, attemptsNeeded: plan.attemptsNeeded });
}

/**
 * Returns when to check a calm connection again, and after what silence its standing keepalive is
 * to probe until then. If the moment of that probe is crowded, it is sent on demand at a random
 * instant of the second after it becomes possible; `at` is `now` when that instant has come. With
 * `onDead: "report"` the check sends each second probe, so it is not put off.
 */
export function nextCalmCheck(
  now: Instant,
  heardAt: Instant,
  { idleMs, routineMs }: Calm,
  { budgetMs, isReport }: Terms,
): { readonly at: Instant; readonly idleMs: number } {
  if (probeSlots.reserve(heardAt + idleMs, engine.size, idleMs)) {
    const at = heardAt + routineMs;
    return { at: isReport ? at : together(at, budgetMs), idleMs };
  }

  const possibleAt = heardAt + NUDGE_IDLE_MS;
  const standingMs = Math.max(idleMs, 2 * NUDGE_IDLE_MS);
  if (now >= possibleAt) return { at: now, idleMs: standingMs };
  const spreadMs = Math.floor(Math.random() * (standingMs - NUDGE_IDLE_MS));
  return { at: possibleAt + spreadMs, idleMs: standingMs };
}

/**
 * Puts a calm check off to the next common step, so that one waking of the process serves many: a
 * waking costs as much as 40 checks (200 µs on 6.18). No verdict waits for it: probes that outlast
 * an outage of 0.4 budgets leave later, and their clock is the kernel's first probe.
 */
function together(at: Instant, budgetMs: number): Instant {
  const latenessMs = Math.min(
    LARGEST_LATENESS_MS,
    Math.max(SMALLEST_LATENESS_MS, Math.floor((budgetMs - SMALLEST_BUDGET_MS) * LATE_SHARE)),
  );
  return Math.ceil(at / latenessMs) * latenessMs;
}

/** Calm checks are late by up to this share of the budget beyond the smallest one. */
const LATE_SHARE = 1 / 8;
const SMALLEST_LATENESS_MS = 80;
const LARGEST_LATENESS_MS = 1000;
