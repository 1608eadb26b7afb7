import type { TcpInfo } from "../tcp-info.ts";
import type { Instant } from "../time/instant.ts";
import type { Answers } from "./answers.ts";
import { Liveness } from "./liveness.ts";
import { PathLoss } from "./path-loss.ts";
import type { PeerGroup } from "./peer-groups.ts";
import { attemptsNeededBy, DEFAULT_FALSE_ALARMS_PER_YEAR, PROBE_SPACING_MS } from "./probe-plan.ts";

/**
 * Left between the first verdict and the end of the budget: one more attempt, spaced as probes must
 * be, and its answer's time.
 */
const CONFIRMING_MS = PROBE_SPACING_MS + 150;
/** The time of an answer, and of a look. */
const ANSWER_DUE_MS = 300;
/** The first verdict may err so much more often than the second: it takes about an attempt less. */
const FIRST_VERDICT = 100;
/** While a verdict waits to be confirmed the connection is looked at this often. */
const LOOK_EVERY_MS = 200;

export interface ConfirmedVerdictOptions {
  readonly budgetMs: number;
  readonly rtoMaxMs: number | null;
  /**
   * What connections to the same peer learn of the path's losses, they learn together; `null` for
   * one that stands alone.
   */
  readonly peer: PeerGroup | null;
  /** Retransmissions in all when the peer was last heard; default unknown. */
  readonly repeatedBefore?: number;
  /** How the peer answers probes; default: nothing is known of it. */
  readonly answers?: Answers;
}

/**
 * Condemns a connection only when two verdicts agree: the ordinary one, and a second at the end of
 * the budget, after at least one more attempt that stayed unanswered too. Where loss is high it
 * asks on beyond the budget, until silence proves enough; and where nothing left since the doubt
 * began it waits until something does: an outage may be over while the next retransmission is as
 * far off as it was long. Sans-I/O.
 */
export class ConfirmedVerdict {
  readonly liveness: Liveness;
  /** The caller should send a keepalive probe now, and report it with {@link nudged}. */
  wantsNudge = false;
  /** Both verdicts have fallen. */
  isConfirmed = false;
  /** The budget is over without a second verdict. */
  isOverdue = false;
  readonly #options: ConfirmedVerdictOptions;
  #condemnedAt: Instant | null = null;
  #attemptsThen = 0;
  #nextNudgeAt: Instant = 0;
  #counted = 0;
  /**
   * Latest possible instant of the last attempt that was counted. New writes move the attempts' own
   * instant, and a busy writer's for ever.
   */
  #countedAt: Instant = 0;
  /**
   * The same of the first attempt after the first verdict: the one whose answer has to be missing
   * for a second.
   */
  #confirmingAt: Instant | null = null;
  /**
   * This process stood still since the first verdict, so that only a new attempt can confirm it.
   */
  #wasStalled = false;

  /**
   * `since` is the last instant at which the peer was known to live; nobody asked it before the
   * guard came.
   */
  constructor(options: ConfirmedVerdictOptions, since: Instant) {
    this.#options = options;
    // In flight the next attempt is the kernel's: with a cap on backoff it comes that much later at
    // most, and an eighth.
    const nextAttemptMs = options.rtoMaxMs === null ? 0 : 1.125 * options.rtoMaxMs + ANSWER_DUE_MS;
    const budgetMs =
      options.budgetMs - Math.max(CONFIRMING_MS, Math.min(nextAttemptMs, options.budgetMs / 3));
    // The second verdict, an attempt later, is what an outage has to outlast.
    const falseAlarmsPerYear = FIRST_VERDICT * DEFAULT_FALSE_ALARMS_PER_YEAR;
    const loss = new PathLoss(options.peer);
    const { rtoMaxMs, repeatedBefore, answers } = options;
    this.liveness = new Liveness(
      {
        budgetMs,
        rtoMaxMs,
        mustOutlastOutages: false,
        falseAlarmsPerYear,
        loss,
        repeatedBefore,
        ...(answers && { answers }),
      },
      since,
    );
  }

  /** When the first verdict fell, `null` as long as there is none. */
  get condemnedAt(): Instant | null {
    return this.#condemnedAt;
  }

  /**
   * What happened: a reading of the kernel's evidence. Returns the instant at which to look again.
   */
  observe(now: Instant, info: TcpInfo): Instant {
    const { liveness } = this;
    const next = liveness.observe(now, info);
    this.wantsNudge = liveness.wantsNudge;
    this.#countAttempts(now);
    if (liveness.state !== "dead") {
      this.#condemnedAt = null;
      this.isConfirmed = false;
      return next;
    }
    if (this.#condemnedAt === null) {
      this.#condemn(now);
      this.#nextNudgeAt = Math.max(now, liveness.attempts.lastAtLatest + PROBE_SPACING_MS);
    }
    this.wantsNudge = liveness.flow === "idle" && now >= this.#nextNudgeAt;
    this.isConfirmed = this.#isProvenTwice(now, info);
    this.isOverdue = now > this.#deadline();
    return this.#next(now);
  }

  /** What happened: the kernel was asked for the probe that `wantsNudge` wants. */
  nudged(now: Instant): Instant {
    const next = this.liveness.nudged(now);
    this.#nextNudgeAt = now + PROBE_SPACING_MS;
    return this.#condemnedAt === null ? next : this.#next(now);
  }

  /**
   * What happened: this process, or the whole machine, stood still. A verdict from before is no
   * longer believed.
   */
  stalled(now: Instant, gapMs: number): void {
    this.liveness.stalled(now, gapMs);
    if (this.#condemnedAt === null) return;
    this.#condemn(now);
    this.#wasStalled = true;
  }

  /** Nothing is unanswered any more; what is in flight is on its first way. */
  isCleared({ retransmits = 0 }: TcpInfo): boolean {
    const { liveness } = this;
    if (liveness.state !== "alive" || this.#condemnedAt !== null || this.wantsNudge) return false;
    return liveness.flow === "in-flight" ? retransmits === 0 : liveness.isUnquestioned;
  }

  #condemn(now: Instant): void {
    this.#condemnedAt = now;
    this.#attemptsThen = this.liveness.attempts.count;
    this.#confirmingAt = null;
    this.#wasStalled = false;
  }

  #isProvenTwice(now: Instant, info: TcpInfo): boolean {
    if (this.#soonest() > now || (this.#confirmingAt === null && !this.#isLastAttempt(info)))
      return false;
    const { attempts, loss, flow, idleMs } = this.liveness;
    // Those tell how it was when the doubt began, not how it is
    if (attempts.count <= attempts.found) return false;
    return (
      attempts.proving >=
      attemptsNeededBy(
        loss,
        attempts.areLocal ? "local" : flow,
        DEFAULT_FALSE_ALARMS_PER_YEAR,
        idleMs,
      )
    );
  }

  /**
   * The instant from which, as things stand, silence is proven twice: the budget is over, the
   * confirming attempt had its time to be answered, and one that left after it the time that an
   * answer takes here. Were that one waited for as long as the first, the kernel's next attempt
   * could put the end off by a look and a window beyond the budget (measured: 200 to 400 ms).
   */
  #soonest(): Instant {
    const { answerWindowMs, hurriedWindowMs } = this.liveness.timing;
    const confirmedAt = (this.#confirmingAt ?? this.#countedAt) + answerWindowMs;
    return Math.max(this.#deadline(), confirmedAt, this.#countedAt + hurriedWindowMs);
  }

  /**
   * Without a cap on backoff the kernel's next attempt may lie beyond the budget: at 5 s the last
   * one inside leaves at 3.4 s, the next one at 6.8 s. The second verdict is then that this one has
   * stayed unanswered to the end.
   */
  #isLastAttempt({ backoff = 0 }: TcpInfo): boolean {
    const { liveness } = this;
    if (liveness.flow !== "in-flight" || this.#wasStalled) return false;
    return liveness.attempts.lastAt + liveness.timing.retransmitGapMs(backoff) > this.#deadline();
  }

  #next(now: Instant): Instant {
    const soonest = this.#soonest();
    return Math.min(now + LOOK_EVERY_MS, soonest > now ? soonest : Number.POSITIVE_INFINITY);
  }

  #countAttempts(now: Instant): void {
    const { count, lastAtLatest } = this.liveness.attempts;
    if (count > this.#counted) this.#countedAt = Math.min(now, lastAtLatest);
    this.#counted = count;
    if (this.#condemnedAt !== null && count > this.#attemptsThen)
      this.#confirmingAt ??= this.#countedAt;
  }

  #deadline(): Instant {
    const { liveness } = this;
    const clock =
      liveness.flow === "in-flight"
        ? Math.min(liveness.heardAt, liveness.progressAt)
        : liveness.heardAt;
    return clock + this.#options.budgetMs;
  }
}
