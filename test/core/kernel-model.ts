import type { TcpInfo } from "../../src/core/tcp-info.ts";

/** One direction pair of a path over time: cut from an instant on, out for a while, or losing round trips at random. */
export interface Path {
  readonly rttMs: number;
  isUp(at: number): boolean;
  /** Whether what is sent leaves this host; default: always. */
  isSendable?(at: number): boolean;
}

const INTERVAL_MS = 1000;
const RATE_LIMIT_MS = 500;
/** What a full queue of this host refused is tried again so much later (TCP_RESOURCE_PROBE_INTERVAL). */
const LOCAL_RETRY_MS = 500;

/**
 * A model of Linux's side of one connection, for virtual time: keepalive with a nudge, retransmission with backoff and cap, window
 * probes, and the counters of TCP_INFO as kernel.md describes them (measured on 6.18). It is stepped millisecond by millisecond.
 */
export class KernelModel {
  now = 0;
  idleMs = 2000;
  isPeerReading = true;
  readonly #path: Path;
  readonly #rtoMaxMs: number;
  readonly #rto0: number;
  #heardAt = 0;
  #answerRateLimitedUntil = Number.NEGATIVE_INFINITY;
  #keepaliveAt: number;
  #probes = 0;
  #unacked = 0;
  #notSent = 0;
  #delivered = 0;
  #lastSentAt = 0;
  #retransmits = 0;
  #retransmitted = 0;
  #backoff = 0;
  #totalRetransmits = 0;
  #dataSegmentsOut = 0;
  #timerAt = Number.POSITIVE_INFINITY;
  #isTailLossProbeNext = false;
  #answers: { at: number; acks: number }[] = [];

  constructor(path: Path, options: { rtoMaxMs?: number; idleMs?: number } = {}) {
    this.#path = path;
    this.#rtoMaxMs = options.rtoMaxMs ?? 120_000;
    this.#rto0 = path.rttMs + 204;
    this.idleMs = options.idleMs ?? 2000;
    this.#keepaliveAt = this.idleMs;
  }

  /** The program writes one segment. */
  write(): void {
    if (!this.isPeerReading && this.#delivered > 0) {
      this.#notSent += 100;
      if (this.#timerAt === Number.POSITIVE_INFINITY) this.#timerAt = this.now + this.#rto0;
      return;
    }
    this.#dataSegmentsOut++;
    this.#lastSentAt = this.now;
    if (this.#notSent > 0 && this.#unacked === 0) {
      this.#notSent += 100;
      this.#sendWaiting();
      return;
    }
    if (!this.#isSendable()) {
      this.#notSent += 100;
      if (this.#timerAt === Number.POSITIVE_INFINITY) this.#timerAt = this.now + LOCAL_RETRY_MS;
      return;
    }
    this.#unacked++;
    this.#transmit();
    if (this.#timerAt === Number.POSITIVE_INFINITY) {
      this.#isTailLossProbeNext = true;
      this.#timerAt = this.now + this.#rto0;
    }
  }

  /** What setting TCP_KEEPIDLE does: the timer starts anew from the last evidence. */
  rearm(): void {
    this.#keepaliveAt = Math.max(this.now + 4, this.#heardAt + this.idleMs);
  }

  nudge(): void {
    this.idleMs = 1000;
    if (this.now - this.#heardAt >= 1000 && this.#unacked === 0 && this.#notSent === 0) this.#keepaliveAt = this.now + 4;
  }

  run(until: number): void {
    for (; this.now < until; this.now++) {
      this.#receive();
      if (this.now >= this.#timerAt) this.#onTimer();
      if (this.now >= this.#keepaliveAt) this.#onKeepalive();
    }
  }

  info(): TcpInfo {
    return {
      state: "ESTABLISHED",
      retransmits: this.#retransmits,
      probes: this.#probes,
      backoff: this.#backoff,
      rtoMs: Math.min(this.#rto0 * 2 ** this.#backoff, this.#rtoMaxMs),
      rttMs: this.#path.rttMs,
      unackedSegments: this.#unacked,
      retransmittedSegments: this.#retransmitted,
      notSentBytes: this.#notSent,
      sendMssBytes: 1448,
      sendWindowBytes: this.isPeerReading || this.#notSent === 0 ? 65_536 : 0,
      lastDataSentMs: this.now - this.#lastSentAt,
      lastDataReceivedMs: this.now,
      // The kernel's clock ticks at 4 ms.
      lastAckReceivedMs: Math.floor((this.now - this.#heardAt) / 4) * 4,
      totalRetransmits: this.#totalRetransmits,
      dataSegmentsOut: this.#dataSegmentsOut + this.#totalRetransmits,
      deliveredSegments: this.#delivered,
    };
  }

  #receive(): void {
    for (const answer of this.#answers.filter(({ at }) => at <= this.now)) {
      this.#heardAt = this.now;
      this.#probes = 0;
      if (answer.acks > this.#delivered) {
        this.#unacked -= answer.acks - this.#delivered;
        this.#delivered = answer.acks;
        this.#retransmits = 0;
        this.#retransmitted = 0;
        this.#backoff = 0;
        this.#isTailLossProbeNext = this.#unacked > 0;
        this.#timerAt = this.#unacked > 0 ? this.now + this.#rto0 : Number.POSITIVE_INFINITY;
        if (this.#unacked === 0 && this.#notSent > 0 && this.isPeerReading) this.#sendWaiting();
      }
    }
    this.#answers = this.#answers.filter(({ at }) => at > this.now);
  }

  #isSendable(): boolean {
    return this.#path.isSendable?.(this.now) ?? true;
  }

  #transmit(): void {
    this.#lastSentAt = this.now;
    if (this.#path.isUp(this.now)) this.#answers.push({ at: this.now + this.#path.rttMs, acks: this.#delivered + this.#unacked });
  }

  #probe(isLimited: boolean): void {
    this.#probes++;
    if (!this.#path.isUp(this.now)) return;
    if (isLimited && this.now < this.#answerRateLimitedUntil) return;
    this.#answerRateLimitedUntil = this.now + RATE_LIMIT_MS;
    this.#answers.push({ at: this.now + this.#path.rttMs, acks: this.#delivered });
  }

  #onTimer(): void {
    if (this.#unacked === 0 && this.isPeerReading) {
      this.#sendWaiting();
      return;
    }
    if (this.#unacked === 0) {
      if (!this.#isSendable()) {
        this.#probes++;
        this.#timerAt = this.now + LOCAL_RETRY_MS;
        return;
      }
      this.#probe(true);
      this.#backoff++;
      this.#timerAt = this.now + Math.min(this.#rto0 * 2 ** this.#backoff, this.#rtoMaxMs);
      return;
    }
    this.#totalRetransmits++;
    if (!this.#isSendable() && !this.#isTailLossProbeNext) {
      this.#retransmits++;
      this.#retransmitted = 0;
      this.#lastSentAt = this.now;
      this.#timerAt = this.now + LOCAL_RETRY_MS;
      return;
    }
    if (this.#isTailLossProbeNext) this.#isTailLossProbeNext = false;
    else {
      this.#retransmits++;
      this.#retransmitted = 1;
      this.#backoff++;
    }
    if (this.#isSendable()) this.#transmit();
    this.#timerAt = this.now + Math.min(this.#rto0 * 2 ** this.#backoff, this.#rtoMaxMs);
  }

  /** What could not leave this host is tried again. */
  #sendWaiting(): void {
    this.#lastSentAt = this.now;
    if (!this.#isSendable()) {
      this.#timerAt = this.now + LOCAL_RETRY_MS;
      return;
    }
    this.#unacked = Math.ceil(this.#notSent / 100);
    this.#notSent = 0;
    this.#transmit();
    this.#isTailLossProbeNext = true;
    this.#timerAt = this.now + this.#rto0;
  }

  #onKeepalive(): void {
    const silence = this.now - this.#heardAt;
    if (this.#unacked > 0 || this.#notSent > 0 || silence < this.idleMs) {
      this.#keepaliveAt = this.now + Math.max(1, this.#unacked > 0 || this.#notSent > 0 ? this.idleMs : this.idleMs - silence);
      return;
    }
    if (!this.#isSendable()) {
      this.#keepaliveAt = this.now + LOCAL_RETRY_MS;
      return;
    }
    this.#probe(true);
    this.#keepaliveAt = this.now + INTERVAL_MS;
  }
}
