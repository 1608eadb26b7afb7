import type { Path } from "./path.ts";

export interface TcpDeliveryOptions {
  /** Path of the data. Its delay and that of `back` make the round-trip time. */
  readonly forward: Path;
  /** Path of the acknowledgments. */
  readonly back: Path;
  /**
   * Time between two writes. A later write makes the receiver report a loss before a timer fires.
   */
  readonly intervalMs: number;
  /** Cap on the retransmission backoff in ms (TCP_RTO_MAX_MS); default 120000. */
  readonly rtoMaxMs?: number;
}

/** Linux: TCP_RTO_MIN (200 ms) plus the lateness of the timer wheel at HZ=250. */
const RTO_FLOOR_MS = 204;
const RTO_MAX_MS = 120_000;
/** Ends the retransmissions on a path that loses everything for ever. */
const MOST_ATTEMPTS = 64;

/**
 * Computes the arrivals of small regular writes on one TCP connection. Writes arrive in order, so
 * every write behind a lost one waits for it.
 *
 * Measured on Linux 6.18 (docs/internals/bounds.md#heartbeats-inside-tcp): a write behind the lost
 * one makes the receiver report the loss (SACK, RACK), and the lost one is repeated. If that fails
 * too, timers repeat it, up to the cap:
 *
 *   at R, 3R, 7R, ...   when writes followed the lost one
 *   at R, 2R, 4R, ...   when none did, because the tail loss probe comes first
 *
 * After a timer the congestion window is one segment, so no new write leaves until an
 * acknowledgment comes. Small writes never fill the window, and so the window stays small: from
 * then on only one write follows a lost one.
 */
export class TcpDelivery {
  readonly #forward: Path;
  readonly #back: Path;
  readonly #intervalMs: number;
  readonly #rtoMs: number;
  readonly #rtoMaxMs: number;
  #arrivedAt = 0;
  /** Writes up to this instant were on the wire when the hole was filled, and arrive with it. */
  #waitsUntil = Number.NEGATIVE_INFINITY;
  /**
   * Instant from which the sender may send. Later than `#waitsUntil` if the acknowledgment is lost.
   */
  #blockedUntil = Number.NEGATIVE_INFINITY;
  /** Most writes that follow a lost one. */
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

  /** Returns the instant at which the peer can read a write. Writes come in the order of time. */
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

  /**
   * Returns the instant at which the receiver has a segment whose first sending, `lostAt`, was
   * lost.
   */
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
