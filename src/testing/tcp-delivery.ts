import type { Path } from "./path.ts";

export interface TcpDeliveryOptions {
  /** Data; its delay law makes the round-trip time together with the way back. */
  readonly forward: Path;
  /** Acknowledgments. */
  readonly back: Path;
  /**
   * Distance of the writes, which are what makes the receiver tell of a loss before a timer does.
   */
  readonly intervalMs: number;
  /** Cap on the retransmission backoff in ms (TCP_RTO_MAX_MS); default 120000. */
  readonly rtoMaxMs?: number;
}

/** Linux: TCP_RTO_MIN, and what its timer wheel adds at HZ=250. */
const RTO_FLOOR_MS = 204;
const RTO_MAX_MS = 120_000;
/** A path that loses everything for ever must not be asked for ever. */
const MOST_ATTEMPTS = 64;

/**
 * When small regular writes on one TCP connection arrive: in order, so that whatever follows a lost
 * one waits for it. Measured on Linux 6.18 (docs/internals/bounds.md#heartbeats-inside-tcp): a
 * write behind the lost one makes the receiver tell (SACK, RACK) and the lost one is repeated; if
 * that fails too, timers at R, 3R, 7R, ... where writes followed, and at R, 2R, 4R, ... where none
 * did (the tail loss probe comes first), up to the cap. After a timer the congestion window is one
 * segment: nothing new leaves until something is acknowledged, and as small writes never fill the
 * window it stays so small that only one write follows a lost one from then on.
 */
export class TcpDelivery {
  readonly #forward: Path;
  readonly #back: Path;
  readonly #intervalMs: number;
  readonly #rtoMs: number;
  readonly #rtoMaxMs: number;
  #arrivedAt = 0;
  /** Writes up to here were on the wire when the hole was filled, and arrive with it. */
  #waitsUntil = Number.NEGATIVE_INFINITY;
  /** The sender may send again; later than {@link #waitsUntil} when the acknowledgment was lost. */
  #blockedUntil = Number.NEGATIVE_INFINITY;
  #followers = Number.POSITIVE_INFINITY;

  constructor(options: TcpDeliveryOptions) {
    this.#forward = options.forward;
    this.#back = options.back;
    this.#intervalMs = options.intervalMs;
    const { delay: there } = options.forward;
    const { delay: back } = options.back;
    const rttMs = there.meanMs + back.meanMs;
    const variationMs = Math.sqrt(there.variance + back.variance);
    this.#rtoMs = rttMs + Math.max(RTO_FLOOR_MS, 4 * variationMs);
    this.#rtoMaxMs = Math.max(this.#rtoMs, options.rtoMaxMs ?? RTO_MAX_MS);
  }

  /**
   * The instant at which what is written now can be read by the peer. Writes come in the order of
   * time.
   */
  arrivalOf(writtenAt: number): number {
    if (writtenAt <= this.#waitsUntil) return this.#arrivedAt;
    const sentAt = Math.max(writtenAt, this.#blockedUntil);
    const arrivesAt = this.#forward.isLost(sentAt)
      ? this.#fill(sentAt)
      : sentAt + this.#forward.delayMs();
    if (sentAt > writtenAt) this.#waitsUntil = Math.max(this.#waitsUntil, sentAt);
    this.#arrivedAt = Math.max(this.#arrivedAt, arrivesAt);
    return this.#arrivedAt;
  }

  /** A segment sent at `lostAt` was lost: when the receiver has it at last. */
  #fill(lostAt: number): number {
    const timerAt = lostAt + this.#rtoMs;
    let followers = 0;
    for (
      let at = lostAt + this.#intervalMs;
      at < timerAt && followers < this.#followers;
      at += this.#intervalMs
    ) {
      followers++;
      if (this.#forward.isLost(at) || this.#back.isLost(at) || this.#forward.isLost(at)) continue;
      const filledAt =
        at + this.#forward.delayMs() + this.#back.delayMs() + this.#forward.delayMs();
      this.#waitsUntil = filledAt;
      return filledAt;
    }
    return this.#fillByTimer(timerAt, followers > 0);
  }

  #fillByTimer(timerAt: number, followed: boolean): number {
    this.#followers = 1;
    let gapMs = followed ? 2 * this.#rtoMs : this.#rtoMs;
    let filledAt: number | null = null;
    let at = timerAt;
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
      const isReceived = !this.#forward.isLost(at);
      if (isReceived) filledAt ??= at + this.#forward.delayMs();
      if (isReceived && !this.#back.isLost(at)) {
        this.#waitsUntil = timerAt;
        this.#blockedUntil = at + this.#forward.delay.meanMs + this.#back.delay.meanMs;
        return filledAt as number;
      }
      at += Math.min(gapMs, this.#rtoMaxMs);
      gapMs *= 2;
    }
    this.#waitsUntil = at;
    return filledAt ?? at;
  }
}
