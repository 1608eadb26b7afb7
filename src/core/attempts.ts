import type { Instant } from "./instant.ts";

/**
 * Unanswered attempts to reach the peer since it was last heard: keepalive probes, nudges, window probes, transmissions.
 * Where an instant is only known within bounds, the bound is kept that makes a verdict later, never earlier.
 */
export class Attempts {
  /** Latest possible instant of the first unanswered attempt. */
  firstAt: Instant = 0;
  /** Earliest possible instant of the last unanswered attempt; for the span. */
  lastAt: Instant = 0;
  /** Latest possible instant of the last unanswered attempt; for the answer window. */
  lastAtLatest: Instant = 0;
  count = 0;
  /** So many of them left when the longest outage that is to be survived would have been over, had it begun with the first one. */
  outlasting = 0;
  /** So many of them had been made when data entered flight. Transmissions come on top: the kernel counts them apart. */
  beforeFlight = 0;
  /** They fail on this host, and nothing is known of the peer. */
  areLocal = false;
  /** So many of {@link outlasting} have, for {@link settle}, had their time to be answered. Where they follow one another closely the last one never has. */
  settledOutlasting = 0;
  #candidateOutlasting = 0;
  #candidateLatest: Instant = Number.NEGATIVE_INFINITY;
  readonly #outageMs: number;

  /** `outageMs`: the longest outage that is to be survived. */
  constructor(outageMs: number) {
    this.#outageMs = outageMs;
  }

  /** `count` is the total so far. A growing count means that the newest attempt left between `earliest` and `latest`. */
  seen(count: number, earliest: Instant, latest: Instant): void {
    if (count <= this.count) return;
    if (this.count === 0) this.firstAt = latest;
    this.lastAt = Math.max(earliest, this.firstAt);
    this.lastAtLatest = Math.max(latest, this.lastAt);
    this.count = count;
    if (this.spanMs >= this.#outageMs) this.outlasting++;
  }

  /** A transmission whose instant the kernel tells moved the last attempt without a new count being known. */
  movedTo(at: Instant): void {
    if (this.count === 0 || at <= this.lastAt) return;
    this.lastAt = at;
    this.lastAtLatest = Math.max(this.lastAtLatest, at);
  }

  /** After a pause of the whole machine the time that passed proves nothing: the span may not contain it. */
  shift(gapMs: number, now: Instant): void {
    this.firstAt = Math.min(now, this.firstAt + gapMs);
    this.lastAt = Math.max(this.firstAt, this.lastAt);
    this.#outlastNothing();
  }

  /** How many of them were lost, given when the peer was heard: the last one was answered, unless an answer to it cannot come so late. */
  lostWhen(heardAt: Instant, answerWindowMs: number): number {
    return this.count > 0 && heardAt < this.lastAtLatest + answerWindowMs ? this.count - 1 : this.count;
  }

  /** Looks which attempts have had `windowMs` to be answered. */
  settle(now: Instant, windowMs: number): void {
    if (this.count === 0) return;
    if (now - this.#candidateLatest >= windowMs) {
      this.settledOutlasting = Math.max(this.settledOutlasting, this.#candidateOutlasting);
      this.#candidateOutlasting = this.outlasting;
      this.#candidateLatest = this.lastAtLatest;
    }
    if (now - this.lastAtLatest >= windowMs) this.settledOutlasting = this.outlasting;
  }

  clear(): void {
    this.count = 0;
    this.beforeFlight = 0;
    this.areLocal = false;
    this.#outlastNothing();
  }

  get spanMs(): number {
    return this.count === 0 ? 0 : this.lastAt - this.firstAt;
  }

  #outlastNothing(): void {
    this.outlasting = 0;
    this.settledOutlasting = 0;
    this.#candidateOutlasting = 0;
    this.#candidateLatest = Number.NEGATIVE_INFINITY;
  }
}
