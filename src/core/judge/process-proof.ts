import type { Detector } from "../detectors/detector.ts";
import { printable } from "../printable.ts";
import type { Instant } from "../time/instant.ts";
import type { HeartbeatProof } from "./heartbeat-proof.ts";
import { defaultOutageMs } from "./probe-plan.ts";

/**
 * Decides from bytes and heartbeat answers whether the peer's *process* still works. Sans-I/O. At
 * most one heartbeat is outstanding: TCP repeats what is lost, so a second ping behind the first
 * would prove nothing.
 *
 * By itself it suspects after one budget of silence. No rule that keeps the budget errs less often
 * (docs/internals/bounds.md#lower-bound). On regular heartbeats a fixed timeout is within a few
 * percent of the best detector (bench/detectors).
 *
 * With a detector, heartbeats go out at regular instants and are numbered by these instants. The
 * detector may suspect earlier; the budget still ends every silence.
 *
 * Some peers never answer: WebSocket clients that ignore pings, brokers behind a gateway. So the
 * first heartbeat goes out early, and until one is answered silence proves nothing
 * (docs/internals/evidence.md#the-process):
 *
 * | the peer    | when                             | its silence                             |
 * |-------------|----------------------------------|-----------------------------------------|
 * | is unproven | it has answered no heartbeat yet | proves nothing; after a budget `isMute` |
 * | is believed | it answered one, or is bound to  | is suspected after one budget           |
 *
 * The caller calls {@link next} at each deadline, and sends a heartbeat when `wantsHeartbeat` is
 * set. It then reports {@link asked}, and later {@link answered}, {@link failed} or
 * {@link excused}.
 */
export class ProcessProof implements HeartbeatProof {
  /** The caller should send a heartbeat now. */
  wantsHeartbeat = false;
  /** Why the last heartbeat failed, in words; `null` when it did not. */
  lastFailure: string | null = null;
  rttMs: number | null = null;
  /** The peer answered a heartbeat, or is bound to: its silence counts. */
  isBelieved: boolean;
  readonly #budgetMs: number;
  /** Silence that gets a heartbeat. The rest of the budget is the time that an answer may take. */
  readonly #quietMs: number;
  #heardAt: Instant;
  #askedAt: Instant | null = null;
  #retryAt: Instant = 0;
  #callStartedAt: Instant = 0;
  readonly #paced: HeartbeatDetector | null;
  readonly #startedAt: Instant;
  /** Number of the last heartbeat that was sent. */
  #sequence = -1;
  #nextSequence = 0;
  /** When the first heartbeat since the last sign of life was sent. */
  #unansweredSince: Instant | null = null;
  /** Pause before the next heartbeat to an unproven peer. */
  #earlyMs = EARLY_MS;

  /**
   * `isBelieved`: the peer is bound to answer, so that its silence counts from the beginning.
   * `quietMs`: silence that gets a heartbeat, default 0.4 budgets.
   */
  constructor(
    budgetMs: number,
    now: Instant,
    paced: HeartbeatDetector | null = null,
    isBelieved = false,
    quietMs: number = defaultOutageMs(budgetMs),
  ) {
    this.#budgetMs = budgetMs;
    this.#quietMs = quietMs;
    this.#paced = paced;
    this.#startedAt = now;
    this.#heardAt = now;
    this.isBelieved = isBelieved;
    if (!isBelieved && paced === null) this.#retryAt = now + EARLY_MS;
  }

  /** Returns whether an unproven peer has left a heartbeat unanswered for a budget. */
  isMute(now: Instant): boolean {
    const since = this.#unansweredSince;
    return !this.isBelieved && since !== null && now - since >= this.#budgetMs;
  }

  get heardAt(): Instant {
    return this.#heardAt;
  }

  get isAsking(): boolean {
    return this.#askedAt !== null;
  }

  /** What happened: the program behind the peer sent something. Any byte counts. */
  heard(at: Instant): void {
    this.#heardAt = Math.max(this.#heardAt, at);
  }

  /** What happened: a heartbeat was sent. */
  asked(now: Instant): void {
    this.#askedAt = now;
    this.#callStartedAt = now;
    this.wantsHeartbeat = false;
    if (!this.#isQuestioned()) this.#unansweredSince = now;
    this.#sequence = this.#nextSequence++;
  }

  /** What happened: a heartbeat was answered. Even a late answer refutes the suspicion. */
  answered(now: Instant): void {
    if (this.#askedAt !== null) this.rttMs = now - this.#callStartedAt;
    this.#askedAt = null;
    this.lastFailure = null;
    this.#unansweredSince = null;
    this.isBelieved = true;
    this.#skipPassed(now);
    this.heard(now);
    this.#paced?.detector.heard(now, this.#sequence);
  }

  /**
   * What happened: no heartbeat can be sent now, through no fault of the peer's process. Only the
   * host is judged.
   */
  excused(now: Instant): void {
    this.#askedAt = null;
    this.#unansweredSince = null;
    if (this.#isUnproven) this.#pauseEarly(now);
    this.heard(now);
  }

  /**
   * What happened: data written before the heartbeat is still on its way, and makes progress. The
   * time for an answer has not begun.
   */
  delayed(now: Instant): void {
    this.heard(now);
  }

  /** What happened: the heartbeat failed. A failure is no answer, so the deadline stays. */
  failed(now: Instant, reason: string): void {
    this.#askedAt = null;
    this.lastFailure = printable(reason.slice(0, LONGEST_REASON));
    if (this.#isUnproven) this.#pauseEarly(now);
    else this.#retryAt = now + RETRY_MS;
    this.#skipPassed(now);
  }

  /**
   * What happened: this process stood still for `gapMs`. It could not have seen an answer then, so
   * deadlines move by as much.
   */
  stalled(now: Instant, gapMs: number): void {
    this.#heardAt = Math.min(now, this.#heardAt + gapMs);
    if (this.#unansweredSince !== null)
      this.#unansweredSince = Math.min(now, this.#unansweredSince + gapMs);
    this.#paced?.detector.stalled(now, gapMs);
    this.#skipPassed(now);
  }

  isSilentTooLong(now: Instant): boolean {
    return this.isBelieved && (now >= this.#deadline() || this.#isSuspected(now));
  }

  silentForMs(now: Instant): number {
    return now - this.#heardAt;
  }

  /** Decides what is next: sets `wantsHeartbeat` and returns the instant of the next check. */
  next(now: Instant): Instant {
    const deadline = this.#soonestDeadline(now);
    if (this.#askedAt !== null) return deadline > now ? deadline : now + RETRY_MS;
    const askAt = Math.max(this.#nextAskAt(), this.#retryAt);
    this.wantsHeartbeat = now >= askAt;
    if (!this.wantsHeartbeat) return deadline > now ? Math.min(deadline, askAt) : askAt;

    // A heartbeat that we send late leaves the peer no less time to answer. A repetition in the
    // same silence does not extend the deadline again.
    const lateMs = now - askAt;
    if (lateMs > OWN_LATENESS_MS && !this.#isQuestioned()) this.stalled(now, lateMs);
    return Math.min(this.#soonestDeadline(now), now + RETRY_MS);
  }

  /** Returns whether a heartbeat was sent since the peer was last heard. */
  #isQuestioned(): boolean {
    return this.#unansweredSince !== null && this.#unansweredSince >= this.#heardAt;
  }

  #nextAskAt(): Instant {
    if (this.#isUnproven) return this.#retryAt;
    if (this.#paced === null) return this.#heardAt + this.#quietMs;
    return this.#startedAt + this.#nextSequence * this.#paced.intervalMs;
  }

  /**
   * Skips the numbers whose instants have passed. A heartbeat left out because the answer before it
   * was late is then a gap, not a delay of all that follow.
   */
  #skipPassed(now: Instant): void {
    if (this.#paced)
      this.#nextSequence = Math.max(
        this.#nextSequence,
        Math.ceil((now - this.#startedAt) / this.#paced.intervalMs),
      );
  }

  /** Heartbeats go out early, until one is answered. A detector sends its own from the start. */
  get #isUnproven(): boolean {
    return !this.isBelieved && this.#paced === null;
  }

  /** Puts the next early heartbeat off: at most as long as a quiet peer waits for one. */
  #pauseEarly(now: Instant): void {
    this.#retryAt = now + this.#earlyMs;
    this.#earlyMs = Math.min(2 * this.#earlyMs, this.#quietMs);
  }

  /** Returns whether the detector suspects. Any byte since the heartbeat refutes the suspicion. */
  #isSuspected(now: Instant): boolean {
    const { detector } = this.#paced ?? {};
    return detector !== undefined && this.#isQuestioned() && detector.verdict(now) === "suspect";
  }

  #soonestDeadline(now: Instant): Instant {
    const deadline = this.#deadline();
    const suspected = this.#paced?.detector.nextDeadline() ?? Number.POSITIVE_INFINITY;
    return suspected > now ? Math.min(deadline, suspected) : deadline;
  }

  #deadline(): Instant {
    if (!this.isBelieved) return Number.POSITIVE_INFINITY;
    return this.#heardAt + this.#budgetMs - OWN_LATENESS_MS;
  }
}

/** A detector that may suspect before the budget has ended. */
export interface HeartbeatDetector {
  /** Heartbeats go out this often, whether or not the peer was heard. */
  readonly intervalMs: number;
  readonly detector: Detector;
}

/**
 * Pause before the first heartbeat, and before an unproven peer gets another one after a heartbeat
 * that failed or could not be sent; doubles with each.
 */
const EARLY_MS = 250;

/** A heartbeat that fails at once is repeated no faster than this. */
const RETRY_MS = 250;
const OWN_LATENESS_MS = 30;

/** The peer may choose the words of a failure, so their length is limited. */
const LONGEST_REASON = 300;
