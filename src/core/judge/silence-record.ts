import type { TcpInfo } from "../tcp-info.ts";
import type { Instant } from "../time/instant.ts";
import { Answers, ORDINARY_ANSWERS } from "./answers.ts";
import { AttemptCounter } from "./attempt-counter.ts";
import { CurrentPlan } from "./current-plan.ts";
import { HEARD_SLACK_MS, KEEPALIVE_LATENESS_MS, ownLatenessMs } from "./lateness.ts";
import type { LivenessOptions } from "./liveness-options.ts";
import { LossLearner } from "./loss-learner.ts";
import { PathDelay } from "./path-delay.ts";
import { PathLoss } from "./path-loss.ts";
import { PathTiming } from "./path-timing.ts";
import { defaultOutageMs, PROBE_SPACING_MS, type ProbePlan, probeSpacingMs } from "./probe-plan.ts";
import { Progress } from "./progress.ts";
import { heardAgeMs, type Reading, readingOf, type Snapshot } from "./reading.ts";
import { budgetFrom, standingProbeBy } from "./schedule.ts";
import type { EndedSilence, Silence } from "./silence.ts";

/**
 * Keeps the silence of one connection: ends it when a reading shows that the peer was heard, counts
 * what goes unanswered in it, and learns from each end how the path and the peer behave.
 */
export class SilenceRecord {
  readonly loss: PathLoss;
  answers: Answers;
  readonly counter: AttemptCounter;
  readonly #options: LivenessOptions;
  readonly #outageMs: number;
  readonly #timing: PathTiming;
  readonly #progress: Progress;
  readonly #learner: LossLearner;
  readonly planning: CurrentPlan;
  /** The last reading; before the first one, when the record began. */
  #last: Snapshot | Instant;
  #heardAt: Instant;
  #heardBefore: Instant = Number.NEGATIVE_INFINITY;
  /** When this process last went on after a long pause: what it has not heard since is stale. */
  #resumedAt: Instant = Number.NEGATIVE_INFINITY;
  /** Segments that the peer repeated since it last sent anything new; when the last one came. */
  #repetitions = 0;
  #repeatedAt: Instant = Number.NEGATIVE_INFINITY;
  /** When the one before came: that left unheard what we acknowledged then. */
  #unheardAt: Instant = Number.NEGATIVE_INFINITY;

  constructor(options: LivenessOptions, now: Instant) {
    const { budgetMs, rtoMaxMs, delay = new PathDelay() } = options;
    this.#options = options;
    this.#outageMs = options.surviveOutageMs ?? defaultOutageMs(budgetMs);
    this.#timing = new PathTiming(budgetMs, rtoMaxMs, delay);
    this.loss = options.loss ?? new PathLoss();
    this.planning = new CurrentPlan(options, this.loss, this.#timing);
    this.answers = options.answers ?? new Answers();
    const { found = Number.POSITIVE_INFINITY } = options;
    this.counter = new AttemptCounter(this.#outageMs, found, this.#counted);
    this.#progress = new Progress(now, options.repeatedBefore);
    this.#learner = new LossLearner(this.loss, delay);
    this.#last = now;
    this.#heardAt = now;
  }

  get plan(): ProbePlan {
    return this.planning.plan;
  }

  get idleMs(): number {
    return this.answers.idleMs(this.plan.idleMs);
  }

  get routineMs(): number {
    return Math.ceil(this.idleMs + KEEPALIVE_LATENESS_MS + this.#timing.answerWindowMs);
  }

  /** With "end" an unanswered probe counts at the deadline, whatever it proves. */
  get #counted(): Answers {
    return this.#options.atDeadline === "end" ? ORDINARY_ANSWERS : this.answers;
  }

  /** Nothing is repeated, no loss waits to be learned, and no lateness is remembered. */
  get isLearned(): boolean {
    if (typeof this.#last === "number" || this.#repetitions > 0) return false;
    if (this.#timing.rememberedLateMs > 0 || this.#resumedAt > this.#heardAt) return false;
    return !this.#learner.isWaiting(this.#last);
  }

  /** See {@link LossLearner.decidesAt}. */
  get decidesAt(): Instant {
    return this.#learner.decidesAt;
  }

  /** What happened before: `info` was read at `at`, while nothing was unanswered. */
  begin(at: Instant, info: TcpInfo): void {
    const reading = readingOf(at, info, at);
    this.#last = { at, info, flow: reading.flow };
    this.#learnPath(reading);
    this.#progress.observe(reading, this.#timing);
    this.counter.begin(info);
  }

  /** What happened: a reading. Returns the silence that it ended. */
  observe(now: Instant, info: TcpInfo): EndedSilence | null {
    const reading = readingOf(now, info, this.#last);
    this.#last = { at: now, info, flow: reading.flow };
    this.#learnPath(reading);
    const ended = this.#hear(reading);
    this.#learner.observe(reading, ended !== null);
    this.#count(reading, ended !== null);
    return ended;
  }

  /**
   * What happened: this process stood still for `gapMs` until `now`. After a gap of 0.4 budgets the
   * attempts begin anew, at once, and half of the budget is left for them.
   */
  stalled(now: Instant, gapMs: number): void {
    const isShort = gapMs < defaultOutageMs(this.#options.budgetMs);
    // An answer that comes right now must be seen to be later.
    const latest = isShort ? now - HEARD_SLACK_MS : now - this.#options.budgetMs / 2;
    this.#heardAt = Math.max(this.#heardAt, Math.min(latest, this.#heardAt + gapMs));
    this.#progress.at = Math.max(this.#progress.at, Math.min(latest, this.#progress.at + gapMs));
    this.counter.stalled(now, isShort ? gapMs : Number.POSITIVE_INFINITY);
    if (!isShort) this.#resumedAt = now;
  }

  /** What happened: the cap on backoff was set, or taken off (`null`). */
  capped(rtoMaxMs: number | null): void {
    this.#timing.rtoMaxMs = rtoMaxMs;
    this.planning.isOutdated();
  }

  /** Returns the silence as it is at `now`. */
  silenceAt(now: Instant): Silence {
    const last = typeof this.#last === "number" ? null : this.#last;
    const flow = last?.flow ?? "idle";
    const heardAt = this.#heardAt;
    const progressAt = this.#progress.at;
    const timing = this.#timing;
    const { idleMs } = this;
    const quietMs = idleMs + KEEPALIVE_LATENESS_MS;
    const asked = this.counter.state(timing.answerWindowMs);
    const { attempts } = asked;
    const { budgetMs } = this.#options;
    const provedAt = flow === "in-flight" ? Math.min(heardAt, progressAt) : heardAt;
    const resumedAt = this.#resumedAt > heardAt ? this.#resumedAt : null;
    const from = budgetFrom(provedAt, attempts, quietMs, resumedAt, budgetMs);
    const stuckAfterMs = Math.max(2 * timing.patientWindowMs, PROBE_SPACING_MS);
    return {
      now,
      flow,
      backoff: last?.info.backoff ?? 0,
      heardAt,
      progressAt,
      attempts,
      isUnquestioned: asked.isUnquestioned,
      isAwaitingNudge: asked.isAwaitingNudge,
      hasNudgeFailed: asked.hasNudgeFailed,
      nudgeDueAt: asked.nudgeDueAt,
      idleMs,
      routineMs: Math.ceil(quietMs + timing.answerWindowMs),
      timing,
      loss: this.loss,
      plan: this.plan,
      outageMs: this.#outageMs,
      standingBy: standingProbeBy(heardAt, quietMs, this.#resumedAt),
      deadline: from + budgetMs - ownLatenessMs(budgetMs),
      budgetEnd: from + budgetMs,
      isAnswerDue: attempts.count > 0 && now - attempts.lastAtLatest >= timing.patientWindowMs,
      isDeaf: this.#repetitions > 0,
      isHeardWithoutProgress:
        this.#repetitions > 1 || (flow === "in-flight" && heardAt - progressAt > stuckAfterMs),
    };
  }

  #learnPath(reading: Reading): void {
    this.#timing.learn(reading.info);
    this.loss.met(reading.info.rttMs);
    if (!reading.since.isFirst) return;
    this.#learner.begin(reading);
    this.planning.isOutdated();
  }

  #hear(reading: Reading): EndedSilence | null {
    const { at, info, flow, since } = reading;
    const isHeard = this.#isHeard(reading);
    this.#progress.observe(reading, this.#timing);
    // Any answer refutes probes, also when data has entered flight meanwhile.
    if (since.progressed || (isHeard && (flow !== "in-flight" || since.takesOff)))
      return this.#end(reading);
    this.answers.observe(at, info, since.answeredAt);
    if (isHeard) this.counter.attempts.heardInFlight();
    return null;
  }

  #isHeard({ at, info, since }: Reading): boolean {
    const heardAt = at - (heardAgeMs(info) ?? Number.POSITIVE_INFINITY);
    if (since.repetitions > 0) {
      this.#repetitions += since.repetitions;
      this.#unheardAt = this.#repeatedAt;
      this.#repeatedAt = heardAt;
      return false;
    }
    if (heardAt <= Math.max(this.#heardAt, this.#repeatedAt) + HEARD_SLACK_MS) return false;
    this.#heardBefore = this.#heardAt;
    this.#heardAt = heardAt;
    this.#repetitions = 0;
    return true;
  }

  #end(reading: Reading): EndedSilence {
    const { at, info, since } = reading;
    const { attempts } = this.counter;
    const ended = { attempts: attempts.count, silentForMs: at - attempts.firstAt };

    this.#learner.heard(reading, {
      attempts,
      heardAt: this.#heardAt,
      heardBefore: this.#heardBefore,
      timing: this.#timing,
      isEachAnswered: this.answers.areOrdinary,
      isNudged: this.counter.state(0).isAwaitingNudge,
      goesOn: this.#options.goesOn ?? true,
      spacingMs: probeSpacingMs(this.#outageMs),
      idleMs: this.idleMs,
    });
    this.answers.observe(at, info, since.answeredAt);
    const due = attempts.leftBy(this.#heardAt - this.#timing.hurriedWindowMs);
    const probes = since.flowBefore === "in-flight" ? attempts.passedByData : due;
    const isOutage = this.#heardAt - attempts.firstAt <= this.#outageMs;
    const { siblings = null } = this.#options;
    if (probes > 0 && !attempts.areLocal && !since.hasAnswered)
      this.answers = this.answers.passedOver({ probes, isOutage }, siblings, this.loss);
    this.counter.refuted(this.#counted);
    this.planning.isOutdated();
    return ended;
  }

  #count(reading: Reading, isEnded: boolean): void {
    const { counter, planning, idleMs } = this;
    const longestMs = isEnded ? idleMs : Math.max(planning.longestIdleMs, idleMs);
    planning.longestIdleMs = longestMs;
    counter.observe(reading, {
      standingBy: Math.max(this.#resumedAt, this.#heardAt + longestMs + KEEPALIVE_LATENESS_MS),
      lastBackoff: this.#options.lastBackoff ?? 0,
      unheard: this.#repetitions > 1 && !isEnded ? reading.since.repetitions : 0,
      unheardAt: this.#unheardAt,
      timing: this.#timing,
      progress: this.#progress,
    });
    if (counter.failing && counter.failing.outlasting >= this.plan.outlastingNeeded)
      counter.blamedHost();
  }
}
