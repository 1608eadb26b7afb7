import type { Instant } from "./instant.ts";

/** Share of the budget after which silence is questioned by a heartbeat; the rest is the time an answer may take. */
const QUIET_SHARE = 0.4;
/** A heartbeat that fails at once is not repeated faster than this. */
const RETRY_MS = 250;
const OWN_LATENESS_MS = 30;

/**
 * Decides from bytes and answers whether the peer's *process* still works. Sans-I/O. One heartbeat is outstanding at most: TCP
 * repeats what is lost, so a second ping behind the first would prove nothing.
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

  constructor(budgetMs: number, now: Instant) {
    this.#budgetMs = budgetMs;
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
  }

  /** An answer, however late, refutes. */
  answered(now: Instant): void {
    if (this.#askedAt !== null) this.rttMs = now - this.#callStartedAt;
    this.#askedAt = null;
    this.lastFailure = null;
    this.heard(now);
  }

  failed(now: Instant, reason: string): void {
    this.#askedAt = null;
    this.lastFailure = reason;
    this.#retryAt = now + RETRY_MS;
  }

  /** Deadlines move by the gap in which this process could not have seen an answer. */
  stalled(now: Instant, gapMs: number): void {
    this.#heardAt = Math.min(now, this.#heardAt + gapMs);
  }

  isSilentTooLong(now: Instant): boolean {
    return now >= this.#deadline();
  }

  silentForMs(now: Instant): number {
    return now - this.#heardAt;
  }

  /** What to do next: sets `wantsHeartbeat` and returns the instant to look again. */
  next(now: Instant): Instant {
    const deadline = this.#deadline();
    if (this.#askedAt !== null) return Math.max(deadline, now + 1);
    const askAt = Math.max(this.#heardAt + QUIET_SHARE * this.#budgetMs, this.#retryAt);
    this.wantsHeartbeat = now >= askAt;
    return Math.min(deadline, this.wantsHeartbeat ? now + RETRY_MS : askAt);
  }

  #deadline(): Instant {
    return this.#heardAt + this.#budgetMs - OWN_LATENESS_MS;
  }
}
