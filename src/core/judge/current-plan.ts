import type { LivenessOptions } from "./liveness-options.ts";
import type { PathLoss } from "./path-loss.ts";
import type { PathTiming } from "./path-timing.ts";
import {
  attemptsNeededBy,
  DEFAULT_FALSE_ALARMS_PER_YEAR,
  type ProbePlan,
  planProbes,
} from "./probe-plan.ts";
import type { Flow } from "./reading.ts";

/** Keeps the probe plan of one connection until what it rests on has changed. */
export class CurrentPlan {
  /** The longest idle time that the socket has had since the peer was heard. */
  longestIdleMs: number;
  readonly #falseAlarmsPerYear: number;
  readonly #budgetMs: number;
  readonly #surviveOutageMs: number | undefined;
  readonly #loss: PathLoss;
  readonly #timing: PathTiming;
  #plan: ProbePlan | null = null;
  /** How late answers come by this plan. */
  #lateMs = 0;
  #rememberedLateMs = 0;

  constructor(options: LivenessOptions, loss: PathLoss, timing: PathTiming) {
    this.longestIdleMs = options.standingIdleMs ?? 0;
    this.#falseAlarmsPerYear = options.falseAlarmsPerYear ?? DEFAULT_FALSE_ALARMS_PER_YEAR;
    this.#budgetMs = options.budgetMs;
    this.#surviveOutageMs = options.surviveOutageMs;
    this.#loss = loss;
    this.#timing = timing;
  }

  /** What happened: the belief about the path has changed, or the cap on backoff. */
  isOutdated(): void {
    this.#plan = null;
  }

  /** How the peer is probed, and within what time a dead one is found, as things stand. */
  get plan(): ProbePlan {
    const { lateMs, rememberedLateMs } = this.#timing;
    if (lateMs !== this.#lateMs || rememberedLateMs !== this.#rememberedLateMs) this.#plan = null;
    this.#lateMs = lateMs;
    this.#rememberedLateMs = rememberedLateMs;
    this.#plan ??= this.latest;
    return this.#plan;
  }

  /** Returns how many unanswered attempts prove death. */
  attemptsNeeded(flow: Flow | "local"): number {
    return attemptsNeededBy(this.#loss, flow, this.#falseAlarmsPerYear, this.plan.idleMs);
  }

  /** The plan that would be made now: connections that share a belief may have changed it. */
  get latest(): ProbePlan {
    const { answerWindowMs, lateMs, rememberedLateMs, rtoMs, rtoMaxMs } = this.#timing;
    return planProbes({
      budgetMs: this.#budgetMs,
      surviveOutageMs: this.#surviveOutageMs,
      falseAlarmsPerYear: this.#falseAlarmsPerYear,
      loss: this.#loss,
      answerWindowMs,
      rtoMs,
      rtoMaxMs,
      lateMs,
      leastIdleMs: rememberedLateMs,
    });
  }
}
