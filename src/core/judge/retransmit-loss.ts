import type { TcpInfo } from "../tcp-info.ts";
import type { Instant } from "../time/instant.ts";
import type { PathLoss } from "./path-loss.ts";
import type { Reading } from "./reading.ts";

/**
 * Learns losses from the totals of data segments and retransmissions. Segments that are not
 * answered yet say nothing, since they may be lost for good. A segment that the peer reports to
 * have got twice (RFC 3708) was not lost: a tail loss probe overtook a delayed acknowledgment, say.
 * That report comes one round trip later, so each loss is recorded with the next acknowledgment.
 */
export class RetransmitLoss {
  /** Totals up to which losses were learned. */
  #segments = 0;
  #retransmissions = 0;
  #duplicates = 0;
  /** Learned, and to be recorded with the next acknowledgment. */
  #sent = 0;
  #lost = 0;
  #from: Instant = 0;
  #to: Instant = 0;

  /** What happened: the first reading. Earlier losses (a SYN, say) are not counted. */
  begin({ dataSegmentsOut = 0, totalRetransmits = 0, dsackDuplicates = 0 }: TcpInfo): void {
    this.#segments = dataSegmentsOut;
    this.#retransmissions = totalRetransmits;
    this.#duplicates = dsackDuplicates;
  }

  /** A loss was seen that is not recorded yet. */
  isWaiting({ totalRetransmits = 0 }: TcpInfo): boolean {
    return this.#lost > 0 || totalRetransmits > this.#retransmissions;
  }

  /**
   * What happened: the peer acknowledged something, so all up to the reading before is resolved.
   * Segments lost since the last time were lost between `from` and `to`; in an outage they say
   * nothing of the path.
   */
  acknowledged(
    loss: PathLoss,
    { info, since }: Reading,
    from: Instant,
    to: Instant,
    isOutage = false,
  ): void {
    const { dsackDuplicates = 0 } = info;
    if (since.segmentsBefore <= this.#segments) return;

    const waiting = this.#lost - this.#needless(this.#lost, dsackDuplicates);
    if (this.#sent > 0)
      loss.record({
        attempts: this.#sent,
        lost: Math.min(this.#sent, waiting),
        from: this.#from,
        to: this.#to,
      });

    const repeated = since.retransmissionsBefore - this.#retransmissions;
    this.#sent = since.segmentsBefore - this.#segments;
    this.#lost = isOutage ? 0 : repeated - this.#needless(repeated, dsackDuplicates);
    this.#from = from;
    this.#to = to;
    this.#segments = since.segmentsBefore;
    this.#retransmissions = since.retransmissionsBefore;
  }

  /** How many of `retransmissions` the peer reports as needless. Each report counts once. */
  #needless(retransmissions: number, dsackDuplicates: number): number {
    const needless = Math.max(0, Math.min(retransmissions, dsackDuplicates - this.#duplicates));
    this.#duplicates += needless;
    return needless;
  }
}
