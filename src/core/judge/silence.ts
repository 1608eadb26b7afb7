import type { Instant } from "../time/instant.ts";
import type { Attempts } from "./attempts.ts";
import type { PathLoss } from "./path-loss.ts";
import type { PathTiming } from "./path-timing.ts";
import type { ProbePlan } from "./probe-plan.ts";
import type { Flow } from "./reading.ts";

/** The silence since the peer was last heard, as it is at `now`, and what it is judged by. */
export interface Silence extends CounterState {
  readonly now: Instant;
  readonly flow: Flow;
  /** The kernel's backoff of what is in flight. */
  readonly backoff: number;
  readonly heardAt: Instant;
  /** When the data in flight last made progress. */
  readonly progressAt: Instant;
  readonly timing: PathTiming;
  readonly loss: PathLoss;
  readonly plan: ProbePlan;
  /** The longest outage that a connection survives. */
  readonly outageMs: number;
  /** When the standing probe left at the latest. */
  readonly standingBy: Instant;
  /** The end of the budget, less the time that this process may be late. */
  readonly deadline: Instant;
  /** The end of the budget. */
  readonly budgetEnd: Instant;
  /** The answer window of the last attempt has passed. */
  readonly isAnswerDue: boolean;
  /** Silence after which the kernel's standing keepalive is to probe. */
  readonly idleMs: number;
  /** Silence after which the answer to that probe is missing. */
  readonly routineMs: number;
  /** The peer repeats itself: it does not hear us. */
  readonly isDeaf: boolean;
  /** The peer is heard, yet what we send does not reach it. */
  readonly isHeardWithoutProgress: boolean;
}

/** A silence that the peer ended. */
export interface EndedSilence {
  readonly attempts: number;
  readonly silentForMs: number;
}

/** The unanswered attempts, and the state of the last probe on demand. */
export interface CounterState {
  /** The attempts to be judged. */
  readonly attempts: Attempts;
  /** Nothing is unanswered, and no probe on demand is under way. */
  readonly isUnquestioned: boolean;
  readonly isAwaitingNudge: boolean;
  /** The last probe on demand did not leave this host. */
  readonly hasNudgeFailed: boolean;
  /** When to check the probe on demand and its answer; infinite: none is under way. */
  readonly nudgeDueAt: Instant;
}
