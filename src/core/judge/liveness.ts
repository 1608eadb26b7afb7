import type { State } from "../diagnosis.ts";
import type { TcpInfo } from "../tcp-info.ts";
import type { Instant } from "../time/instant.ts";
import { type Answers, ORDINARY_ANSWERS } from "./answers.ts";
import { MOST_ASKED } from "./backstop.ts";
import { doubtOf, isDoubtful, mayHaveStopped, type Probed } from "./doubt.ts";
import { SegmentSize } from "./full-size.ts";
import type { Judgement, Wants } from "./judgement.ts";
import type { LivenessOptions } from "./liveness-options.ts";
import { PROBE_SPACING_MS, type ProbePlan } from "./probe-plan.ts";
import { hasOutlasted, isLastWord, isMissed, isProven, isProvenAtDeadline } from "./proof.ts";
import { nextLookAt, nextProbeAt } from "./schedule.ts";
import type { EndedSilence, Silence } from "./silence.ts";
import { SilenceRecord } from "./silence-record.ts";

/**
 * Decides from readings of the kernel's evidence whether the peer's host still answers. Sans-I/O:
 * instants and evidence come in, a {@link Judgement} goes out.
 *
 * Theory: a live host acknowledges what arrives. So silence alone proves nothing; unanswered
 * attempts do, once neither the path's loss nor a passing outage explains that many.
 * silence-record.ts keeps them, proof.ts says what they prove, schedule.ts when to read next.
 *
 * | from    | to      | when                                                                      |
 * |---------|---------|---------------------------------------------------------------------------|
 * | alive   | suspect | the answer to an attempt is missing                                       |
 * | suspect | alive   | the peer is heard; in flight only progress of our data counts             |
 * | suspect | dead    | the proof is complete, or as much of it as the end of the budget requires |
 * | dead    | alive   | as from suspect; a caller that ends the connection never sees it          |
 *
 * Called in this order: {@link begin} with a calm reading from before, if there is one; then for
 * each reading {@link stalled} if this process stood still, {@link observe}, and {@link nudged} if
 * the kernel was asked for a probe. It never calls a peer dead for a silence in which nothing was
 * sent to it.
 */
export class Liveness {
  readonly #options: LivenessOptions;
  readonly #record: SilenceRecord;
  readonly #size: SegmentSize;
  #state: State = "alive";
  #refuted: EndedSilence | null = null;
  #isOverdue = false;
  #isRushed = false;
  /** The size of what is in flight may be why nothing answers, so no verdict falls. */
  #isSizeExcuse = false;
  #nextNudgeAt: Instant = Number.NEGATIVE_INFINITY;
  /** When this process last went on after it stood still. */
  #resumedAt: Instant = Number.NEGATIVE_INFINITY;

  constructor(options: LivenessOptions, now: Instant) {
    this.#options = options;
    this.#record = new SilenceRecord(options, now);
    this.#size = new SegmentSize(options);
  }

  /** How the peer is probed, and within what time a dead one is found, as things stand. */
  get plan(): ProbePlan {
    return this.#record.plan;
  }

  /** The plan that would be made now. */
  get latestPlan(): ProbePlan {
    return this.#record.planning.latest;
  }

  /** What is known about how the peer answers probes; `null`: it answers each. */
  get answers(): Answers | null {
    return this.#record.answers === ORDINARY_ANSWERS ? null : this.#record.answers;
  }

  /** Silence after which the kernel should probe: TCP_KEEPIDLE. */
  get idleMs(): number {
    return this.#record.idleMs;
  }

  /** Silence after which the answer to that probe is missing. No reading is needed earlier. */
  get routineMs(): number {
    return this.#record.routineMs;
  }

  /** The silence as of `now`: for a second judge behind this one. */
  silenceAt(now: Instant): Silence {
    return this.#record.silenceAt(now);
  }

  /** What happened before: `info` was read at `at`, while nothing was unanswered. */
  begin(at: Instant, info: TcpInfo): void {
    this.#record.begin(at, info);
  }

  /** What happened: a reading of the kernel's evidence. */
  observe(now: Instant, info: TcpInfo): Judgement {
    const ended = this.#record.observe(now, info);
    if (ended) this.#refute(ended);
    const silence = this.#record.silenceAt(now);
    const wants = this.#wants(silence, info);
    if (this.#state !== "dead") this.#judge(silence, info);
    return this.#judgement(silence, info, wants);
  }

  /** What happened: a probe on demand was requested. Returns when to check for its answer. */
  nudged(now: Instant): Instant {
    this.#record.counter.nudged(now);
    const silence = this.#record.silenceAt(now);
    this.#nextNudgeAt = this.#nextProbeAt(now, silence);
    return this.#nextLookAt(silence, false, this.#isUnproven(silence));
  }

  /**
   * What happened: this process, or the machine, stood still for `gapMs` until `now`. Deadlines
   * move by the gap. After 0.4 budgets the peer is probed at once, and half of the budget is left.
   */
  stalled(now: Instant, gapMs: number): void {
    this.#record.stalled(now, gapMs);
    this.#resumedAt = now;
  }

  /** What happened: the cap on backoff was set to `rtoMaxMs`, or taken off (`null`). */
  capped(rtoMaxMs: number | null): void {
    this.#record.capped(rtoMaxMs);
  }

  #refute(ended: EndedSilence): void {
    this.#refuted = this.#state === "suspect" ? ended : null;
    this.#state = "alive";
    this.#isOverdue = false;
    this.#nextNudgeAt = Number.NEGATIVE_INFINITY;
  }

  /** Decides whether a probe on demand is due, and how the standing keepalive is to be set. */
  #wants(silence: Silence, { probes = 0 }: TcpInfo): Wants {
    const { now, flow, attempts, standingBy, isUnquestioned, idleMs } = silence;
    const isDue = flow === "idle" && now >= standingBy && this.#state !== "dead";
    if (!isDue || silence.isAwaitingNudge)
      return { nudge: false, idleMs, keepalive: isUnquestioned ? "follow" : "leave" };

    const isResumed = attempts.firstAt <= this.#resumedAt;
    // The answer may still be on its way.
    if (attempts.count === 1 && this.#nextNudgeAt <= attempts.firstAt && !isResumed)
      this.#nextNudgeAt = Math.max(
        this.#nextProbeAt(attempts.firstAt, silence),
        attempts.firstAt + silence.timing.lateMs,
      );
    if (probes >= MOST_ASKED && this.#isUnproven(silence))
      this.#nextNudgeAt = Number.POSITIVE_INFINITY;
    const nudge = now >= this.#nextNudgeAt;
    const isMissing = attempts.count === 0 || silence.hasNudgeFailed;
    const follows = isUnquestioned && !nudge;
    return { nudge, idleMs, keepalive: isMissing ? "again" : follows ? "follow" : "leave" };
  }

  /** Moves the state: see the table above. */
  #judge(silence: Silence, info: TcpInfo): void {
    const { now, flow, attempts, timing, deadline } = silence;
    const { budgetMs, atDeadline, mustOutlastOutages = true } = this.#options;
    const isOver = now >= deadline;
    this.#isSizeExcuse = this.#size.mayExplain(silence, info);
    const mayEnd = atDeadline === "end";
    const { answers } = this.#record;
    attempts.settle(now, timing.settledAfterMs(isOver, mayEnd));
    if (this.#state === "alive" && isMissed(silence, info.retransmits ?? 0, budgetMs))
      this.#state = "suspect";
    if (this.#state !== "suspect") return;
    this.#isOverdue = now >= silence.budgetEnd;
    if (this.#isSizeExcuse && !(mayEnd && isOver)) return;
    const needed = this.#record.planning.attemptsNeeded(attempts.areLocal ? "local" : flow);
    const isOpen = isOver ? mayEnd && this.#isUnproven(silence) : mayHaveStopped(answers, silence);
    const isComplete = isProven(silence, needed) && !isOpen;
    const isHurried = isOver || (silence.isHeardWithoutProgress && isLastWord(silence, budgetMs));
    if (
      (isComplete && attempts.lastAt >= this.#resumedAt) ||
      (isHurried && isProvenAtDeadline(silence, needed, mayEnd, mustOutlastOutages))
    ) {
      this.#state = "dead";
      this.#isRushed = !isComplete;
    }
  }

  /** Returns when the probe leaves that follows one at `at`. */
  #nextProbeAt(at: Instant, silence: Silence): Instant {
    const { plan, attempts, deadline, timing, heardAt, outageMs } = silence;
    if (this.#isOverdue && this.#isUnproven(silence))
      return at + Math.max(PROBE_SPACING_MS, this.#record.answers.askAgainAfterMs(at - heardAt));
    return nextProbeAt(at, {
      firstAt: attempts.count === 0 ? at : attempts.firstAt,
      outageMs,
      budgetMs: this.#options.budgetMs,
      outlasting: plan.outlastingNeeded,
      attempts: plan.attemptsNeeded,
      lastBy: deadline - timing.answerWindowMs,
    });
  }

  #nextLookAt(silence: Silence, wantsNudge: boolean, isUnproven: boolean): Instant {
    if (this.#state === "dead") return Number.POSITIVE_INFINITY;
    return nextLookAt(silence, {
      wantsNudge,
      isUnproven,
      budgetMs: this.#options.budgetMs,
      nextNudgeAt: this.#nextNudgeAt,
      decidesAt: this.#record.decidesAt,
    });
  }

  #judgement(silence: Silence, info: TcpInfo, wants: Wants): Judgement {
    const { flow, attempts, isUnquestioned } = silence;
    const probed = this.#probed(silence);
    const isUnproven = this.#isSizeExcuse || this.#isUnproven(silence);
    const isAtRest = probed.state === "alive" && flow === "idle" && isUnquestioned;
    // Field by field: a spread took longer than the judgement itself.
    return {
      state: probed.state,
      flow,
      failedHere: probed.failedHere,
      info,
      heardAt: silence.heardAt,
      unanswered: attempts.count,
      firstUnansweredAt: attempts.firstAt,
      isUnquestioned,
      isHeardWithoutProgress: silence.isHeardWithoutProgress,
      isDeaf: silence.isDeaf,
      isOverdue: this.#isOverdue,
      isRushed: this.#isRushed,
      isOutlasted: hasOutlasted(silence),
      lateMs: silence.timing.lateMs,
      doubt: doubtOf(this.#record.answers, probed),
      isUnproven,
      refuted: this.#refuted,
      loss: silence.loss,
      wants,
      lookAt: this.#nextLookAt(silence, wants.nudge, isUnproven),
      isForgettable:
        isAtRest &&
        this.#refuted === null &&
        !wants.nudge &&
        wants.keepalive !== "again" &&
        this.#record.isLearned,
    };
  }

  #isUnproven(silence: Silence): boolean {
    const { answers } = this.#record;
    if (!isDoubtful(answers, this.#probed(silence)) || answers.areBelieved) return false;
    return silence.flow !== "blocked" || !answers.areAsOftenAs(silence.timing.rtoMaxMs ?? 0);
  }

  #probed({ flow, attempts }: Silence): Probed {
    return { state: this.#state, flow, failedHere: attempts.areLocal };
  }
}
