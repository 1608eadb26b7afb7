import { type Answers, ORDINARY_ANSWERS, type Siblings } from "../../core/judge/answers.ts";
import type { Judgement } from "../../core/judge/judgement.ts";
import { Liveness } from "../../core/judge/liveness.ts";
import type { LossBelief } from "../../core/judge/loss-belief.ts";
import { PathDelay } from "../../core/judge/path-delay.ts";
import { PathLoss } from "../../core/judge/path-loss.ts";
import type { Instant } from "../../core/time/instant.ts";
import { shareEqual } from "./share-equal.ts";
import type { Terms } from "./terms.ts";

/** Something is unanswered, or not known yet, so a judge sees every reading. */
export interface Judging {
  readonly kind: "judged";
  readonly judge: Liveness;
  /** `null` before the first check, which brings it the reading that the watch began with. */
  judgement: Judgement | null;
}

/**
 * Nothing is open, so a check only compares two readings. Thousands of connections share one
 * object.
 */
export interface Calm {
  readonly kind: "calm";
  readonly judgement: null;
  /** Silence after which the kernel's standing keepalive probes. */
  readonly idleMs: number;
  /** Silence after which the answer to that probe is missing. */
  readonly routineMs: number;
  /** Unanswered attempts that would prove death by the plan that these times come from. */
  readonly attemptsNeeded: number;
}

const shared: (calm: Calm) => Calm = shareEqual();

/** Begins to judge. `path`: what is known about it; `found`: see LivenessOptions. */
export function judging(
  terms: Terms,
  path: {
    readonly siblings: Siblings;
    readonly loss: LossBelief | null;
    readonly answers: Answers | null;
    readonly standingIdleMs: number | undefined;
  },
  since: Instant,
  found: number,
): Judging {
  const { siblings, standingIdleMs } = path;
  const known = {
    siblings,
    standingIdleMs,
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
  return shared({
    kind: "calm",
    judgement: null,
    idleMs,
    routineMs,
    attemptsNeeded: plan.attemptsNeeded,
  });
}
