import type { TcpInfo } from "../tcp-info.ts";
import type { Instant } from "../time/instant.ts";
import type { PathDelay } from "./path-delay.ts";
import type { Reading } from "./reading.ts";

/**
 * Measures how late the answers to data in flight come: marks the newest segment in flight, and
 * waits until the peer has received as much. While less arrives than that, the mark waits in a
 * queue behind it, so the delay is at least its age.
 *
 * A lost segment makes the mark wait as well. So once anything is sent again, no delay is believed
 * beyond what the kernel's timeout rests on: its round trip is never taken of a repeated segment
 * (RFC 6298, 3). That round trip alone may be far too long (docs/internals/kernel.md#tcp_info).
 */
export class FlightDelay {
  /** How much the peer has received once the mark has arrived; `null`: nothing is marked. */
  #target: number | null = null;
  /** Retransmissions in all when the mark was set. */
  #retransmits: number | undefined = 0;
  /** When the mark left. */
  #sentAt: Instant = 0;
  /** How late the last mark arrived. */
  #lateMs = 0;
  /** The last reading in which the mark had not arrived. */
  #waitedTo: Instant = 0;

  observe({ at, info, since }: Reading, delay: PathDelay): void {
    const received = receivedBy(info);
    if (received === null) return;

    if (this.#target !== null) {
      const hasArrived = received >= this.#target;
      if (!hasArrived) this.#waitedTo = at;
      const { rttMs = 0, rttVarMs = 0, minRttMs = rttMs } = info;
      const isSentAgain = info.totalRetransmits !== this.#retransmits;
      const credibleMs = isSentAgain ? rttMs + 4 * rttVarMs : Number.POSITIVE_INFINITY;
      const lateMs = Math.min(this.#waitedTo - this.#sentAt, credibleMs);
      const atMostMs = hasArrived ? at - this.#sentAt : Number.POSITIVE_INFINITY;
      if (hasArrived || (since.progressed && lateMs > this.#lateMs))
        delay.answered({ sentAt: this.#sentAt, lateMs, atMostMs, isOfProbe: false }, minRttMs);
      if (!hasArrived) return;

      this.#target = null;
      this.#lateMs = lateMs;
    }

    const { unackedSegments = 0, sackedSegments = 0, lastDataSentMs = 0 } = info;
    if (unackedSegments === 0) return;
    this.#target = received + unackedSegments - sackedSegments;
    this.#retransmits = info.totalRetransmits;
    this.#sentAt = at - lastDataSentMs;
    this.#waitedTo = at;
  }
}

/** Returns how many segments the peer received once at least; `null` where it is not counted. */
function receivedBy({ deliveredSegments, dsackDuplicates = 0 }: TcpInfo): number | null {
  return deliveredSegments === undefined ? null : deliveredSegments - dsackDuplicates;
}
