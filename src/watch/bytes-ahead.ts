import { ACK_MS } from "../core/judge/quick-terms.ts";
import type { TcpInfo } from "../core/tcp-info.ts";
import type { Instant } from "../core/time/instant.ts";

/**
 * The bytes that were written before a heartbeat. While they advance, the peer still takes them,
 * however slowly, and owes no answer yet. A process that hangs takes no more than its kernel's
 * buffer holds.
 */
export class BytesAhead {
  /** The count of acknowledged bytes at which the peer's kernel has them; `null` once it has. */
  #end: number | null = null;
  #acked = 0;
  #askedAt: Instant = 0;
  /**
   * What is in flight has stood for longer than an acknowledgment takes: the peer's kernel waits
   * for a lost segment, and its process cannot read what follows.
   */
  isStanding = false;
  /** When it went on after it stood. */
  wentOnAt: Instant = Number.NEGATIVE_INFINITY;
  /** Something is in flight. */
  isInFlight = false;
  #movedAt: Instant = 0;
  #seen = 0;

  /**
   * What happened: a heartbeat is written behind `bufferedBytes`, which the kernel has not taken
   * yet.
   */
  begin(now: Instant, bufferedBytes: number, info: TcpInfo | null): void {
    const ahead = bufferedBytes + (info ? queuedBytes(info) : 0);
    this.#askedAt = now;
    this.#acked = info?.bytesAcked ?? 0;
    this.#end = ahead > 0 ? this.#acked + ahead : null;
    this.wentOnAt = Number.NEGATIVE_INFINITY;
  }

  /** What happened: a reading. */
  observe(now: Instant, { bytesAcked = 0, unackedSegments = 0, rttMs = 0 }: TcpInfo): void {
    if (bytesAcked > this.#seen || unackedSegments === 0 || !this.isInFlight) {
      if (this.isStanding) this.wentOnAt = now;
      this.isStanding = false;
      this.#movedAt = now;
    } else if (now - this.#movedAt >= rttMs + ACK_MS) this.isStanding = true;
    this.#seen = bytesAcked;
    this.isInFlight = unackedSegments > 0;
  }

  /**
   * Returns whether they advanced since they were last looked at, and are not through. What is
   * through within the time of an acknowledgment held nothing up.
   */
  haveAdvanced(now: Instant, { bytesAcked = 0, rttMs = 0 }: TcpInfo): boolean {
    if (this.#end === null || now < this.#askedAt + rttMs + ACK_MS) return false;
    if (bytesAcked >= this.#end) this.#end = null;
    const isMore = bytesAcked > this.#acked;
    this.#acked = bytesAcked;
    return isMore && this.#end !== null;
  }
}

/** Returns the bytes that the kernel has yet to send, plus those in flight. */
function queuedBytes(info: TcpInfo): number {
  const { notSentBytes = 0, unackedSegments = 0, sendMssBytes = 0, bytesAcked = 0 } = info;
  const { bytesSent = -1, bytesRetransmitted = 0 } = info;
  // A kernel before 4.19 does not count what it sent: then as many bytes as fit.
  const fitting = unackedSegments * sendMssBytes;
  const counted = bytesSent - bytesRetransmitted - bytesAcked;
  return notSentBytes + (counted >= 0 ? Math.min(counted, fitting) : fitting);
}
