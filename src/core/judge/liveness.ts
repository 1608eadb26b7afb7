import type { State } from "../diagnosis.ts";
import type { TcpInfo } from "../tcp-info.ts";
import type { Instant } from "../time/instant.ts";
import { Answers, doubtOf, isDoubtful, ORDINARY_ANSWERS } from "./answers.ts";
import { AttemptCounter } from "./attempt-counter.ts";
import type { Attempts } from "./attempts.ts";
import { MOST_ASKED } from "./backstop.ts";
import { DuplicateWatch } from "./duplicate-watch.ts";
import { type Flow, flowOf, HEARD_SLACK_MS, heardAgeMs } from "./flow.ts";
import type { LivenessOptions } from "./liveness-options.ts";
import { PathLoss } from "./path-loss.ts";
import { PathTiming } from "./path-timing.ts";
import { lessonOf } from "./probe-lesson.ts";
import {
  attemptsNeededBy,
  DEFAULT_FALSE_ALARMS_PER_YEAR,
  nextProbeAt,
  OUTAGE_SHARE,
  ownLatenessMs,
  PROBE_SPACING_MS,
  type ProbePlan,
  planProbes,
} from "./probe-plan.ts";
import { Progress } from "./progress.ts";
import { isLastWord, isMissed, isProven, isProvenAtDeadline, type Silence } from "./proof.ts";
import { RetransmitLoss } from "./retransmit-loss.ts";

/**
 * Keepalive timers up to 2 s are this late at most (HZ=250 and 1000), with room for the re-arming
 * step; see probe-plan.ts.
 */
const STANDING_PROBE_LATENESS_MS = 70;

/**
 * Decides from kernel evidence whether the peer's host still answers. Sans-I/O: the instant and the
 * evidence come in, the next instant to look again goes out; `wantsNudge` asks the caller to send a
 * keepalive probe and report it with {@link nudged}.
 *
 * alive --first unanswered attempt--> suspect --enough of them, far enough apart--> dead; any
 * refuting evidence: alive again.
 */
export class Liveness {
  state: State = "alive";
  flow: Flow = "idle";
  /** The caller should send a keepalive probe now. */
  wantsNudge = false;
  /** `true` when the budget ended before the proof was complete. */
  isRushed = false;
  /** The budget is over, and what stayed unanswered does not prove death yet. */
  isOverdue = false;
  /** The standing probe that was due did not leave: somebody changed the keepalive options. */
  isProbeMissing = false;
  /** The suspicion that the last evidence refuted. */
  lastSuspicion: { readonly attempts: number; readonly silentForMs: number } | null = null;
  readonly loss: PathLoss;
  /** How the peer answers probes. */
  readonly answers: Answers;
  /** When the peer was last heard. */
  heardAt: Instant;
  readonly #options: LivenessOptions;
  readonly #falseAlarmsPerYear: number;
  readonly #outageMs: number;
  readonly #counter: AttemptCounter;
  #plan: ProbePlan;
  readonly timing: PathTiming;
  readonly #progress: Progress;
  readonly #duplicates: DuplicateWatch = new DuplicateWatch();
  /** Repeated segments since the peer last sent anything new. */
  #deafness = 0;
  #nextNudgeAt: Instant = Number.NEGATIVE_INFINITY;
  #resumedAt: Instant = Number.NEGATIVE_INFINITY;
  readonly #retransmitLoss: RetransmitLoss = new RetransmitLoss();

  constructor(options: LivenessOptions, now: Instant) {
    this.#options = options;
    this.#falseAlarmsPerYear = options.falseAlarmsPerYear ?? DEFAULT_FALSE_ALARMS_PER_YEAR;
    this.loss = options.loss ?? new PathLoss();
    this.timing = new PathTiming(options.budgetMs, options.rtoMaxMs);
    this.#outageMs = OUTAGE_SHARE * options.budgetMs;
    this.answers = options.answers ?? new Answers();
    // With "end" an unanswered probe counts at the deadline, whatever it proves.
    const counted = options.atDeadline === "end" ? ORDINARY_ANSWERS : this.answers;
    this.#counter = new AttemptCounter(
      this.#outageMs,
      options.found ?? Number.POSITIVE_INFINITY,
      counted,
      now,
    );
    this.heardAt = now;
    this.#progress = new Progress(now, options.repeatedBefore);
    this.#plan = this.#replan();
  }

  /** Since when what is in flight goes without progress. */
  get progressAt(): Instant {
    return this.#progress.at;
  }

  /** How the peer is asked, and within what time a dead one is found, as things stand. */
  get plan(): ProbePlan {
    return this.#plan;
  }

  get attempts(): Attempts {
    return this.#counter.attempts;
  }

  get isUnquestioned(): boolean {
    return this.#counter.isUnquestioned;
  }

  /**
   * What happened: a reading of the kernel's evidence. Returns the instant at which to look again.
   */
  observe(now: Instant, info: TcpInfo): Instant {
    this.wantsNudge = false;
    this.isProbeMissing = false;
    this.timing.learn(info);
    this.loss.met(info.rttMs);
    if (this.#progress.isNew) this.#plan = this.#replan(); // the first reading tells of the path
    const flow = flowOf(info);
    const takesOff = flow === "in-flight" && this.flow !== "in-flight";
    const heard = this.#hear(now, info);
    const progressed = this.#progress.observe(now, info, flow, takesOff, this.timing);
    // Any answer refutes probes, also when data has entered flight meanwhile.
    if (progressed || (heard && (flow !== "in-flight" || takesOff)))
      this.#refute(now, info, progressed);
    else this.answers.observe(now, info, flow === "in-flight");
    this.#count(now, info, flow, takesOff);
    this.flow = flow;
    if (flow === "idle") this.#ask(now, info);
    this.#retransmitLoss.observe(info);
    if (this.state !== "dead") this.#judge(now, info);
    return this.#next(now);
  }

  /**
   * What happened: the kernel was asked for the probe that `wantsNudge` wants. Returns the instant
   * at which to look for its answer.
   */
  nudged(now: Instant): Instant {
    this.#counter.nudged(now);
    this.#nextNudgeAt = this.#nextProbeAt(now);
    return this.#soonest(now, this.#nextNudgeAt);
  }

  /**
   * What happened: this process, or the whole machine, stood still for `gapMs` until `now`.
   * Deadlines move by the gap; a gap as long as an outage may be begins all anew.
   */
  stalled(now: Instant, gapMs: number): void {
    const lostMs = gapMs < this.#outageMs ? gapMs : Number.POSITIVE_INFINITY;
    this.heardAt = Math.min(now, this.heardAt + lostMs);
    this.#progress.at = Math.min(now, this.#progress.at + lostMs);
    this.#counter.stalled(now, lostMs);
    this.#resumedAt = now;
  }

  /** What happened: the cap on backoff was set to this, `null`: taken off. */
  capped(rtoMaxMs: number | null): void {
    this.timing.rtoMaxMs = rtoMaxMs;
    this.#plan = this.#replan();
  }

  /** How many unanswered attempts prove death now. */
  get attemptsNeeded(): number {
    return attemptsNeededBy(
      this.loss,
      this.attempts.areLocal ? "local" : this.flow,
      this.#falseAlarmsPerYear,
      this.#plan.idleMs,
    );
  }

  /**
   * Silence after which the kernel's standing keepalive should probe: what TCP_KEEPIDLE is to be.
   */
  get idleMs(): number {
    return this.answers.idleMs(this.#plan.idleMs);
  }

  /**
   * Silence after which the answer to the standing probe is missing: while a connection is idle and
   * answers, nobody need look earlier.
   */
  get routineMs(): number {
    return Math.ceil(this.idleMs + STANDING_PROBE_LATENESS_MS + this.timing.answerWindowMs);
  }

  /** In words, why what stays unanswered proves little or nothing; `null`: it proves. */
  get doubt(): string | null {
    return doubtOf(this.answers, this);
  }

  /** It proves nothing: the peer never showed that it answers probes so often. */
  get isUnproven(): boolean {
    return isDoubtful(this.answers, this) && !this.answers.areBelieved;
  }

  /**
   * A new judge, given the last reading and {@link loss}, would know as much: nothing is open, and
   * no loss waits to be learned.
   */
  get isForgettable(): boolean {
    if (
      this.state !== "alive" ||
      this.flow !== "idle" ||
      !this.isUnquestioned ||
      this.wantsNudge ||
      this.isProbeMissing
    )
      return false;
    return this.lastSuspicion === null && this.#deafness === 0 && !this.#retransmitLoss.hasLesson;
  }

  /** The peer is heard, yet what we send does not reach it. */
  get isHeardWithoutProgress(): boolean {
    if (this.#deafness > 1) return true;
    return (
      this.flow === "in-flight" &&
      this.heardAt - this.progressAt > Math.max(2 * this.timing.answerWindowMs, PROBE_SPACING_MS)
    );
  }

  #hear(now: Instant, info: TcpInfo): boolean {
    const age = heardAgeMs(info);
    const duplicates = this.#duplicates.since(info);
    if (duplicates > 0) {
      // The peer repeats what we acknowledged: it talks, but each of our acknowledgments was an
      // attempt that did not arrive.
      this.#deafness += duplicates;
      if (this.#deafness > 1) this.#counter.seeUnheard(now, duplicates);
      return false;
    }
    if (age === undefined || now - age <= this.heardAt + HEARD_SLACK_MS) return false;
    this.heardAt = now - age;
    this.#deafness = 0;
    return true;
  }

  #refute(now: Instant, info: TcpInfo, progressed: boolean): void {
    const { attempts } = this;
    const refuted = { attempts: attempts.count, silentForMs: now - attempts.firstAt };
    this.lastSuspicion = this.state === "suspect" ? refuted : null;
    const lesson = lessonOf(
      attempts,
      this.flow,
      info,
      this.heardAt,
      this.timing,
      this.answers.areOrdinary,
    );
    if (lesson) this.loss.record(lesson);
    const isPassedOver = !this.answers.observe(now, info, progressed) && attempts.count > 0;
    if (isPassedOver && this.flow !== "in-flight" && !attempts.areLocal) this.answers.passedOver();
    const [from, to] = attempts.count > 0 ? [attempts.firstAt, attempts.lastAtLatest] : [now, now];
    this.#retransmitLoss.teach(this.loss, info, from, to, this.loss.isOutage(attempts.proving));
    this.#counter.refuted();
    this.#nextNudgeAt = Number.NEGATIVE_INFINITY;
    this.state = "alive";
    this.isOverdue = false;
    this.#plan = this.#replan();
  }

  #replan(): ProbePlan {
    const { answerWindowMs, rtoMs, rtoMaxMs } = this.timing;
    // Field by field: spreading the options took longer than the plan itself.
    return planProbes({
      budgetMs: this.#options.budgetMs,
      falseAlarmsPerYear: this.#falseAlarmsPerYear,
      loss: this.loss,
      answerWindowMs,
      rtoMs,
      rtoMaxMs,
    });
  }

  #standingProbeBy(): Instant {
    return this.heardAt + this.idleMs + STANDING_PROBE_LATENESS_MS;
  }

  #count(now: Instant, info: TcpInfo, flow: Flow, takesOff: boolean): void {
    const counter = this.#counter;
    counter.seeNudge(now, info, flow);
    if (takesOff || flow === "idle") counter.seeProbes(now, info, this.#standingProbeBy());
    if (takesOff) this.attempts.takeOff();
    if (flow === "blocked")
      counter.seeWindowProbes(
        now,
        info,
        this.#options.lastBackoff ?? 0,
        this.timing.unclearWindowProbes(info),
      );
    else if (flow === "in-flight")
      counter.seeTransmissions(now, info, this.progressAt, this.#progress.repeatedBefore);
    counter.observed(now, info);
  }

  /** Whether the kernel is to be asked for a probe. */
  #ask(now: Instant, { probes = 0 }: TcpInfo): void {
    const { attempts } = this;
    if (now < this.#standingProbeBy() || this.state === "dead" || this.#counter.isAwaitingNudge)
      return;
    if (attempts.count === 0 || this.#counter.hasNudgeFailed) this.isProbeMissing = true;
    if (attempts.count === 1 && this.#nextNudgeAt <= attempts.firstAt)
      this.#nextNudgeAt = this.#nextProbeAt(attempts.firstAt);
    if (probes >= MOST_ASKED && this.isUnproven) this.#nextNudgeAt = Number.POSITIVE_INFINITY;
    this.wantsNudge = now >= this.#nextNudgeAt;
  }

  #judge(now: Instant, info: TcpInfo): void {
    if ((this.#counter.failing?.outlasting ?? 0) >= this.#plan.outlastingNeeded)
      this.#counter.blamedHost();
    const { attempts, timing } = this;
    const isOver = now >= this.#deadline();
    attempts.settle(now, isOver ? timing.hurriedWindowMs : timing.answerWindowMs);
    const silence = this.#silence(now, info);
    if (this.state === "alive" && isMissed(silence, info.retransmits ?? 0, this.#options.budgetMs))
      this.state = "suspect";
    if (this.state !== "suspect") return;
    const isComplete =
      isProven(silence) && !(this.isUnproven && this.#options.atDeadline === "end");
    const isHurried = isOver || (this.isHeardWithoutProgress && isLastWord(silence));
    const { atDeadline, mustOutlastOutages = true } = this.#options;
    if (isComplete && attempts.lastAt >= this.#resumedAt) this.state = "dead";
    else if (isHurried && isProvenAtDeadline(silence, atDeadline === "end", mustOutlastOutages))
      this.state = "dead";
    if (this.state === "dead") this.isRushed = !isComplete;
    this.isOverdue = now >= this.#deadline() + ownLatenessMs(this.#options.budgetMs);
  }

  #silence(now: Instant, { backoff = 0 }: TcpInfo): Silence {
    const { attempts, timing, loss, flow, progressAt } = this;
    const isAnswerDue = attempts.count > 0 && now - attempts.lastAtLatest >= timing.answerWindowMs;
    const deadline = this.#deadline();
    const needs = { plan: this.#plan, needed: this.attemptsNeeded, outageMs: this.#outageMs };
    return {
      ...needs,
      now,
      flow,
      attempts,
      timing,
      loss,
      backoff,
      progressAt,
      deadline,
      isAnswerDue,
    };
  }

  /**
   * The end of the budget, less what we may be late ourselves: counted from the last evidence, but
   * never from a silence longer than the routine leaves unquestioned.
   */
  #deadline(): Instant {
    const clock =
      this.flow === "in-flight" ? Math.min(this.heardAt, this.progressAt) : this.heardAt;
    const routine = this.attempts.firstAt - this.idleMs - STANDING_PROBE_LATENESS_MS;
    return (
      Math.max(clock, this.attempts.count > 0 ? routine : clock) +
      this.#options.budgetMs -
      ownLatenessMs(this.#options.budgetMs)
    );
  }

  #nextProbeAt(now: Instant): Instant {
    if (this.isUnproven && this.isOverdue)
      return now + Math.max(PROBE_SPACING_MS, this.answers.askAgainAfterMs(now - this.heardAt));
    const firstAt = this.attempts.count === 0 ? now : this.attempts.firstAt;
    const { attemptsNeeded, outlastingNeeded } = this.#plan;
    // Later ones could not be judged in time
    const lastBy = this.#deadline() - this.timing.answerWindowMs;
    return nextProbeAt(now, {
      firstAt,
      outageMs: this.#outageMs,
      outlasting: outlastingNeeded,
      attempts: attemptsNeeded,
      lastBy,
    });
  }

  #next(now: Instant): Instant {
    if (this.state === "dead") return Number.POSITIVE_INFINITY;
    const isHurried = now >= this.#deadline() && !this.isUnproven;
    const poll = now + Math.min(isHurried ? 50 : 250, Math.max(50, this.#options.budgetMs / 20));
    // Only frequent looks tell when the kernel sent
    if (this.flow !== "idle") return this.#soonest(now, poll);
    if (this.wantsNudge) return this.#soonest(now, now + PROBE_SPACING_MS);
    const standingBy = this.#standingProbeBy();
    if (this.attempts.count === 0 && !this.#counter.isAwaitingNudge)
      return Math.max(now + 1, standingBy + this.timing.answerWindowMs);
    // Questions from before the standing probe is due: a deaf peer's, of which only looks tell, or
    // one that was asked early.
    const early = this.#deafness > 0 ? poll : Math.max(standingBy, this.#nextNudgeAt);
    // What is written meanwhile is to be seen
    const nudge = Math.min(Math.max(now + 1, this.#nextNudgeAt), now + this.routineMs);
    return this.#soonest(now, now < standingBy ? early : nudge);
  }

  #soonest(now: Instant, candidate: Instant): Instant {
    let next = Math.min(candidate, this.#counter.nudgeDueAt(this.timing.answerWindowMs));
    const windowEnd = this.attempts.lastAtLatest + this.timing.answerWindowMs;
    if (this.attempts.count > 0 && windowEnd > now) next = Math.min(next, windowEnd);
    const deadline = this.#deadline();
    if (deadline > now) return Math.min(next, deadline);
    const budgetEnd = deadline + ownLatenessMs(this.#options.budgetMs);
    if (budgetEnd > now) next = Math.min(next, budgetEnd);
    const hurried = this.attempts.lastAtLatest + this.timing.hurriedWindowMs;
    return hurried > now ? Math.min(next, hurried) : next;
  }
}
