import type { TcpInfo } from "../tcp-info.ts";
import type { Instant } from "../time/instant.ts";
import type { Answers } from "./answers.ts";
import { confirmingMs } from "./confirming.ts";
import type { MtuProbing } from "./full-size.ts";
import type { Judgement } from "./judgement.ts";
import { Liveness } from "./liveness.ts";
import { PathDelay } from "./path-delay.ts";
import { PathLoss } from "./path-loss.ts";
import type { PeerGroup } from "./peer-groups.ts";
import {
  attemptsNeededBy,
  DEFAULT_FALSE_ALARMS_PER_YEAR,
  defaultOutageMs,
  PROBE_SPACING_MS,
  type ProbePlan,
} from "./probe-plan.ts";
import type { Silence } from "./silence.ts";

/**
 * Judges a connection that somebody else's program owns: it is dead only when two verdicts agree.
 * The first is the ordinary one. The second falls at the end of the budget, after at least one more
 * attempt stayed unanswered too. Sans-I/O.
 *
 * On a path of high loss it goes on beyond the budget, until silence proves enough. Where no
 * attempt left since the doubt began it waits until one does: an outage may be over while the next
 * retransmission is as far off as the outage was long.
 */
export class ConfirmedVerdict {
  readonly #options: ConfirmedVerdictOptions;
  readonly #liveness: Liveness;
  /** The last attempt leaves at least this long after the first one. */
  readonly #outageMs: number;
  /** The first verdict has fallen. */
  #isFirst = false;
  /** How many attempts were unanswered then. */
  #attemptsThen = 0;
  #nextNudgeAt: Instant = 0;
  #counted = 0;

  /**
   * Latest possible instant of the last attempt that was counted. New writes move the attempts' own
   * instant, and a busy writer's for ever.
   */
  #countedAt: Instant = 0;

  /**
   * Latest possible instant of the first attempt after the first verdict: the one whose answer has
   * to be missing for a second.
   */
  #confirmingAt: Instant | null = null;

  /** This process stood still since the first verdict: only a new attempt can confirm it. */
  #wasStalled = false;

  /**
   * `since` is the last instant at which the peer was known to live; nobody probed it before the
   * guard came.
   */
  constructor(options: ConfirmedVerdictOptions, since: Instant) {
    const { budgetMs, surviveOutageMs, peer, rtoMaxMs, repeatedBefore, answers, mtuProbing } =
      options;
    this.#options = options;
    this.#outageMs = surviveOutageMs ?? defaultOutageMs(budgetMs);
    this.#liveness = new Liveness(
      {
        budgetMs: budgetMs - confirmingMs(budgetMs, rtoMaxMs),
        surviveOutageMs,
        rtoMaxMs,
        // The second verdict, an attempt later, is what an outage has to outlast.
        mustOutlastOutages: false,
        falseAlarmsPerYear: FIRST_VERDICT * DEFAULT_FALSE_ALARMS_PER_YEAR,
        loss: new PathLoss(peer),
        delay: new PathDelay(peer),
        goesOn: false,
        standingIdleMs: options.standingIdleMs,
        repeatedBefore,
        ...(answers && { answers }),
        ...(mtuProbing && { mtuProbing }),
      },
      since,
    );
  }

  /** How the peer is probed, as things stand. */
  get plan(): ProbePlan {
    return this.#liveness.plan;
  }

  /** What happened: a reading of the kernel's evidence. */
  observe(now: Instant, info: TcpInfo): ConfirmedJudgement {
    const judgement = this.#liveness.observe(now, info);
    const silence = this.#liveness.silenceAt(now);
    this.#countAttempts(silence);
    return judgement.state === "dead"
      ? this.#confirm(judgement, silence)
      : this.#live(judgement, silence);
  }

  /** What happened: the probe that the judgement wanted was requested. */
  nudged(now: Instant): Instant {
    const next = this.#liveness.nudged(now);
    this.#nextNudgeAt = now + PROBE_SPACING_MS;
    return this.#isFirst ? this.#nextLookAt(now, this.#liveness.silenceAt(now)) : next;
  }

  /**
   * What happened: this process, or the whole machine, stood still. A verdict from before is no
   * longer believed.
   */
  stalled(now: Instant, gapMs: number): void {
    this.#liveness.stalled(now, gapMs);
    if (!this.#isFirst) return;
    this.#first(this.#liveness.silenceAt(now));
    this.#wasStalled = true;
  }

  /** There is no first verdict, or none any more. */
  #live(judgement: Judgement, silence: Silence): ConfirmedJudgement {
    const { state, flow, info, wants, isUnquestioned } = judgement;
    this.#isFirst = false;
    const isOnFirstWay = flow === "in-flight" ? (info.retransmits ?? 0) === 0 : isUnquestioned;
    return {
      ...judgement,
      isOverdue: judgement.isOverdue && silence.now > this.#deadline(silence),
      isConfirmed: false,
      isCleared: state === "alive" && !wants.nudge && isOnFirstWay,
    };
  }

  #confirm(judgement: Judgement, silence: Silence): ConfirmedJudgement {
    const { wants } = judgement;
    const { now, flow, attempts } = silence;
    if (!this.#isFirst) {
      this.#first(silence);
      this.#nextNudgeAt = Math.max(now, attempts.lastAtLatest + PROBE_SPACING_MS);
    }
    return {
      ...judgement,
      wants: { ...wants, nudge: flow === "idle" && now >= this.#nextNudgeAt },
      isConfirmed: this.#isProvenTwice(silence),
      isCleared: false,
      isOverdue: now > this.#deadline(silence),
      lookAt: this.#nextLookAt(now, silence),
    };
  }

  #first({ attempts }: Silence): void {
    this.#isFirst = true;
    this.#attemptsThen = attempts.count;
    this.#confirmingAt = null;
    this.#wasStalled = false;
  }

  #countAttempts({ now, attempts }: Silence): void {
    const { count, lastAtLatest } = attempts;
    if (count > this.#counted) this.#countedAt = Math.min(now, lastAtLatest);
    this.#counted = count;
    if (this.#isFirst && count > this.#attemptsThen) this.#confirmingAt ??= this.#countedAt;
  }

  #isProvenTwice(silence: Silence): boolean {
    const { now, attempts, loss, flow } = silence;
    if (this.#soonest(silence) > now) return false;
    if (this.#confirmingAt === null && !this.#isLastAttempt(silence)) return false;
    // Found attempts show how things were when this watch began, not how they are now.
    if (attempts.count <= attempts.found) return false;
    if (!this.#isOutlasted(silence)) return false;

    const kind = attempts.areLocal ? "local" : flow;
    const { idleMs } = this.#liveness;
    return attempts.proving >= attemptsNeededBy(loss, kind, DEFAULT_FALSE_ALARMS_PER_YEAR, idleMs);
  }

  /** An outage that began with the first attempt was over before the last one left. */
  #isOutlasted({ attempts, flow, timing, backoff }: Silence): boolean {
    // A survey may come late to the first transmission. The kernel's own backoff dates it.
    const isDated = flow === "in-flight" && !attempts.areLocal;
    const spanMs = isDated ? timing.retransmitChainMs(backoff) : 0;
    return Math.max(spanMs, attempts.lastAt - attempts.outageFrom) >= this.#outageMs;
  }

  /**
   * The instant from which, as things stand, silence is proven twice: the budget is over, the
   * confirming attempt had its time to be answered, and one that left after it the time that an
   * answer takes here. With the full window for that one too, the kernel's next attempt could put
   * the end off by a reading and a window beyond the budget (measured: 200 to 400 ms).
   */
  #soonest(silence: Silence): Instant {
    const { patientWindowMs, patientHurriedWindowMs } = silence.timing;
    const confirmedAt = (this.#confirmingAt ?? this.#countedAt) + patientWindowMs;
    return Math.max(this.#deadline(silence), confirmedAt, this.#countedAt + patientHurriedWindowMs);
  }

  /**
   * Without a cap on backoff the kernel's next attempt may lie beyond the budget: at 5 s the last
   * one inside leaves at 3.4 s, the next one at 6.8 s. The second verdict is then that this one has
   * stayed unanswered to the end.
   */
  #isLastAttempt(silence: Silence): boolean {
    const { flow, attempts, timing, backoff } = silence;
    if (flow !== "in-flight" || this.#wasStalled) return false;
    return attempts.lastAt + timing.retransmitGapMs(backoff) > this.#deadline(silence);
  }

  #nextLookAt(now: Instant, silence: Silence): Instant {
    const soonest = this.#soonest(silence);
    return Math.min(now + LOOK_EVERY_MS, soonest > now ? soonest : Number.POSITIVE_INFINITY);
  }

  /** The end of the whole budget. */
  #deadline({ flow, heardAt, progressAt }: Silence): Instant {
    const clock = flow === "in-flight" ? Math.min(heardAt, progressAt) : heardAt;
    return clock + this.#options.budgetMs;
  }
}

export interface ConfirmedVerdictOptions {
  readonly budgetMs: number;
  /** The longest outage that must not end the connection; default 0.4 of the budget. */
  readonly surviveOutageMs?: number | undefined;
  readonly rtoMaxMs: number | null;
  /**
   * The group that shares a belief about the path's losses; `null`: the connection stands alone.
   */
  readonly peer: PeerGroup | null;
  /** TCP_KEEPIDLE of the socket, in ms; default what the judge plans. */
  readonly standingIdleMs?: number | undefined;
  /** Retransmissions in all when the peer was last heard; default unknown. */
  readonly repeatedBefore?: number;
  /** How the peer answers probes; default: nothing is known. */
  readonly answers?: Answers;
  /** How this host searches for the size of segments that passes; default: it does not. */
  readonly mtuProbing?: MtuProbing;
}

/** A judgement that says whether two verdicts agree. */
export interface ConfirmedJudgement extends Judgement {
  /** Both verdicts have fallen. */
  readonly isConfirmed: boolean;
  /** Nothing is unanswered any more, and data in flight is on its first way. */
  readonly isCleared: boolean;
}

/** How much more often the first verdict may err: it takes about one attempt less. */
const FIRST_VERDICT = 100;

/** How often a connection is read while its verdict waits to be confirmed. */
const LOOK_EVERY_MS = 200;
