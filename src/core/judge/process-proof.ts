import type { Detector } from "../detectors/detector.ts";
import { printable } from "../printable.ts";
import type { Instant } from "../time/instant.ts";

/**
 * Share of the budget after which silence is questioned by a heartbeat; the rest is the time an
 * answer may take.
 */
const QUIET_SHARE = 0.4;
/** A heartbeat that fails at once is not repeated faster than this. */
const RETRY_MS = 250;
const OWN_LATENESS_MS = 30;
/** The peer may choose the words of a failure. */
const LONGEST_REASON = 300;

/** Another judge of the answers than the budget alone. */
export interface HeartbeatDetector {
  /** Heartbeats are asked this often, whether or not the peer was heard. */
  readonly intervalMs: number;
  readonly detector: Detector;
}

/**
 * Decides from bytes and answers whether the peer's *process* still works. Sans-I/O. One heartbeat
 * is outstanding at most: TCP repeats what is lost, so a second ping behind the first would prove
 * nothing.
 *
 * By itself it suspects after one budget of silence: no rule that keeps the budget errs less often
 * (docs/internals/bounds.md#lower-bound), and on regular heartbeats a fixed timeout is within a few
 * percent of the best detector (bench/detectors). With a detector, heartbeats are asked at regular
 * instants and numbered by them, and the detector may suspect earlier; the budget still ends every
 * silence.
 */
export class ProcessProof {
  /** The caller should call the heartbeat now. */
  wantsHeartbeat = false;
  /** Why the last heartbeat failed, in words; `null` when it did not. */
  lastFailure: string | null = null;
  rttMs: number | null = null;
  readonly #budgetMs: number;
  #heardAt: Instant;
  #askedAt: Instant | null = null;
  #retryAt: Instant = 0;
  #callStartedAt: Instant = 0;
  readonly #paced: HeartbeatDetector | null;
  readonly #startedAt: Instant;
  /** Number of the heartbeat that was asked last. */
  #sequence = -1;
  #nextSequence = 0;
  /** When the first of the heartbeats that wait for any sign of life was asked. */
  #unansweredSince: Instant | null = null;

  constructor(budgetMs: number, now: Instant, paced: HeartbeatDetector | null = null) {
    this.#budgetMs = budgetMs;
    this.#paced = paced;
    this.#startedAt = now;
    this.#heardAt = now;
  }

  get heardAt(): Instant {
    return this.#heardAt;
  }

  get isAsking(): boolean {
    return this.#askedAt !== null;
  }

  /** The program behind the peer sent something: any byte counts. */
  heard(at: Instant): void {
    this.#heardAt = Math.max(this.#heardAt, at);
  }

  asked(now: Instant): void {
    this.#askedAt = now;
    this.#callStartedAt = now;
    this.wantsHeartbeat = false;
    if (!this.#isQuestioned()) this.#unansweredSince = now;
    this.#sequence = this.#nextSequence++;
  }

  /** An answer, however late, refutes. */
  answered(now: Instant): void {
    if (this.#askedAt !== null) this.rttMs = now - this.#callStartedAt;
    this.#askedAt = null;
    this.lastFailure = null;
    this.#unansweredSince = null;
    this.#skipPassed(now);
    this.heard(now);
    this.#paced?.detector.heard(now, this.#sequence);
  }

  /** The process cannot be asked just now, and that is not its fault: only the host is judged. */
  excused(now: Instant): void {
    this.#askedAt = null;
    this.heard(now);
  }

  /**
   * What the program wrote before the heartbeat is still on its way, and moves: the time for an
   * answer has not begun.
   */
  delayed(now: Instant): void {
    this.heard(now);
  }

  failed(now: Instant, reason: string): void {
    this.#askedAt = null;
    this.lastFailure = printable(reason.slice(0, LONGEST_REASON));
    this.#retryAt = now + RETRY_MS;
    this.#skipPassed(now);
  }

  /** Deadlines move by the gap in which this process could not have seen an answer. */
  stalled(now: Instant, gapMs: number): void {
    this.#heardAt = Math.min(now, this.#heardAt + gapMs);
    if (this.#unansweredSince !== null)
      this.#unansweredSince = Math.min(now, this.#unansweredSince + gapMs);
    this.#paced?.detector.stalled(now, gapMs);
    this.#skipPassed(now);
  }

  isSilentTooLong(now: Instant): boolean {
    return now >= this.#deadline() || this.#isSuspected(now);
  }

  silentForMs(now: Instant): number {
    return now - this.#heardAt;
  }

  /** What to do next: sets `wantsHeartbeat` and returns the instant to look again. */
  next(now: Instant): Instant {
    const deadline = this.#soonestDeadline(now);
    if (this.#askedAt !== null) return Math.max(deadline, now + 1);
    const askAt = Math.max(this.#nextAskAt(), this.#retryAt);
    this.wantsHeartbeat = now >= askAt;
    if (!this.wantsHeartbeat) return Math.min(deadline, askAt);
    // A question that we put late leaves the peer no less time to answer. Where a silence was
    // questioned before, this is a repetition.
    const lateMs = now - askAt;
    if (lateMs > OWN_LATENESS_MS && !this.#isQuestioned()) this.stalled(now, lateMs);
    return Math.min(this.#soonestDeadline(now), now + RETRY_MS);
  }

  /** Whether a heartbeat was asked since the peer was heard. */
  #isQuestioned(): boolean {
    return this.#unansweredSince !== null && this.#unansweredSince >= this.#heardAt;
  }

  #nextAskAt(): Instant {
    if (this.#paced === null) return this.#heardAt + QUIET_SHARE * this.#budgetMs;
    return this.#startedAt + this.#nextSequence * this.#paced.intervalMs;
  }

  /**
   * Numbers go by the clock: one left out, because the answer before it was late, is a gap and not
   * a delay of all that follow.
   */
  #skipPassed(now: Instant): void {
    if (this.#paced)
      this.#nextSequence = Math.max(
        this.#nextSequence,
        Math.ceil((now - this.#startedAt) / this.#paced.intervalMs),
      );
  }

  /** Whatever the detector says: any byte since the question refutes it. */
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
    return this.#heardAt + this.#budgetMs - OWN_LATENESS_MS;
  }
}
