import { printable } from "../printable.ts";
import type { Instant } from "../time/instant.ts";
import type { HeartbeatProof } from "./heartbeat-proof.ts";
import { BEAT_MS, LATENESS_MS, type QuickTerms } from "./quick-terms.ts";

/** What the kernel's evidence says while an answer is missing. */
export interface HostSilence {
  /** A heartbeat is not acknowledged. */
  readonly isUnacked: boolean;
  /** The kernel sends nothing new. */
  readonly isBackingOff: boolean;
}

/**
 * The proof of a peer's process within a budget too short for keepalive. While an acknowledgment is
 * missing, heartbeats go on, so that the host is asked again and again too (quick-host.ts). Any
 * answer is one to all. Sans-I/O; called like {@link ProcessProof}.
 */
export class QuickProcess implements HeartbeatProof {
  wantsHeartbeat = false;
  lastFailure: string | null = null;
  rttMs: number | null = null;
  isBelieved: boolean;
  /** `null`: nothing is missing, or nothing is known. */
  host: HostSilence | null = null;
  readonly #terms: QuickTerms;
  #heardAt: Instant;
  /** When the first heartbeat of this silence left; `null`: none did. */
  #firstAt: Instant | null = null;
  #lastAt: Instant;
  #failedAt: Instant = Number.NEGATIVE_INFINITY;

  constructor(terms: QuickTerms, now: Instant, isBelieved: boolean) {
    this.#terms = terms;
    this.#heardAt = now;
    this.#lastAt = now;
    this.isBelieved = isBelieved;
  }

  get heardAt(): Instant {
    return this.#heardAt;
  }

  get isAsking(): boolean {
    return this.#firstAt !== null;
  }

  /** The answer to a heartbeat is missing, so the kernel's evidence is asked. */
  isMissing(now: Instant): boolean {
    return this.#firstAt !== null && now - this.#firstAt >= this.#terms.windowMs;
  }

  isMute(now: Instant): boolean {
    return !this.isBelieved && this.#firstAt !== null && now - this.#firstAt >= MUTE_MS;
  }

  heard(at: Instant): void {
    if (at <= this.#heardAt) return;
    this.#heardAt = at;
    if (this.#firstAt !== null && at >= this.#firstAt && this.isBelieved) this.#firstAt = null;
  }

  asked(now: Instant): void {
    this.wantsHeartbeat = false;
    this.#firstAt ??= now;
    this.#lastAt = now;
  }

  answered(now: Instant): void {
    if (this.#firstAt !== null) this.rttMs = now - this.#firstAt;
    this.lastFailure = null;
    this.isBelieved = true;
    this.#firstAt = null;
    this.heard(now);
  }

  excused(now: Instant): void {
    this.#firstAt = null;
    this.heard(now);
  }

  delayed(now: Instant): void {
    this.heard(now);
  }

  failed(now: Instant, reason: string): void {
    this.lastFailure = printable(reason.slice(0, LONGEST_REASON));
    this.#failedAt = now;
  }

  stalled(now: Instant, gapMs: number): void {
    this.#heardAt = Math.min(now, this.#heardAt + gapMs);
  }

  isSilentTooLong(now: Instant): boolean {
    return this.isBelieved && now >= this.#deadline;
  }

  silentForMs(now: Instant): number {
    return now - this.#heardAt;
  }

  next(now: Instant): Instant {
    const askAt = this.#nextAskAt();
    this.wantsHeartbeat = now >= askAt;
    // A heartbeat that we send late leaves the peer no less time to answer.
    if (this.wantsHeartbeat && this.#firstAt === null) {
      const lateMs = now - askAt;
      if (lateMs > LATENESS_MS) this.stalled(now, lateMs);
    }
    const restMs = this.#firstAt === null ? this.#terms.windowMs : BEAT_MS;
    const soonest = this.wantsHeartbeat || this.host?.isUnacked ? now + restMs : askAt;
    const missingAt = (this.#firstAt ?? Number.POSITIVE_INFINITY) + this.#terms.windowMs;
    return Math.min(...[soonest, missingAt, this.#deadline].filter((at) => at > now));
  }

  #nextAskAt(): Instant {
    const { quietMs, windowMs } = this.#terms;
    if (!this.isBelieved) {
      const restMs = this.#firstAt === null ? quietMs : MUTE_MS / 4;
      return Math.max(this.#lastAt, this.#failedAt) + restMs;
    }
    const againAt = Math.max(this.#lastAt, this.#failedAt) + this.#restMs;
    if (this.#firstAt !== null) return Math.max(againAt, this.#firstAt + windowMs);
    if (this.host?.isUnacked) return againAt; // the peer talks, and hears nothing
    return Math.max(this.#heardAt, this.#failedAt) + quietMs;
  }

  /** How long after a heartbeat that is unanswered the next one leaves. */
  get #restMs(): number {
    const { quietMs } = this.#terms;
    if (this.host === null || this.host.isBackingOff) return quietMs;
    // Acknowledged: its answer may be lost, and the next one shows that sooner than the peer's
    // kernel repeats it.
    return this.host.isUnacked ? BEAT_MS : quietMs / 2;
  }

  get #deadline(): Instant {
    return this.isBelieved
      ? this.#heardAt + this.#terms.budgetMs - LATENESS_MS
      : Number.POSITIVE_INFINITY;
  }
}

/** A peer that has never answered is asked seldom, and told of after this. */
const MUTE_MS = 2000;
const LONGEST_REASON = 300;
