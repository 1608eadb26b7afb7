import type { TcpInfo } from "../tcp-info.ts";
import type { Instant } from "../time/instant.ts";
import type { PathLoss } from "./path-loss.ts";
import type { Reading } from "./reading.ts";

/**
 * Learns losses from the totals of data segments and retransmissions. Segments that are not
 * answered yet say nothing, since they may be lost for good. A segment that the peer reports to
 * have got twice (RFC 3708) was not lost: a tail loss probe overtook a delayed acknowledgment, say.
 * That report comes as late as any answer, and behind the acknowledgments of all that left before.
 * So each loss is recorded with the first acknowledgment after that time, and behind these: in a
 * queue that grows, the time alone is too short.
 */
export class RetransmitLoss {
  /** Totals up to which losses were learned. */
  #segments = 0;
  #retransmissions = 0;
  #duplicates = 0;
  /** Total of retransmissions up to which an outage explains them. */
  #repeatedInOutage = 0;
  /** What the last outage swallowed is still being sent again. */
  #isRecovering = false;
  /** Learned, and to be recorded later; oldest first. */
  readonly #waiting: Waiting[] = [];

  /** What happened: the first reading. Earlier losses (a SYN, say) are not counted. */
  begin({ dataSegmentsOut = 0, totalRetransmits = 0, dsackDuplicates = 0 }: TcpInfo): void {
    this.#segments = dataSegmentsOut;
    this.#retransmissions = totalRetransmits;
    this.#duplicates = dsackDuplicates;
  }

  /** A loss was seen that is not recorded yet. */
  isWaiting({ totalRetransmits = 0 }: TcpInfo): boolean {
    return this.#waiting.some(({ lost }) => lost > 0) || totalRetransmits > this.#retransmissions;
  }

  /**
   * What happened: the peer acknowledged something, so all up to the reading before is resolved.
   * Segments lost since the last time were lost between `from` and `to`. Those that an outage
   * swallowed say nothing of the path, however many readings their repetition takes. `lateMs`: how
   * late a report of duplicates may come.
   */
  acknowledged(
    loss: PathLoss,
    { at, info, since }: Reading,
    from: Instant,
    to: Instant,
    isOutage = false,
    lateMs = 0,
  ): void {
    const { dsackDuplicates = 0, totalRetransmits = 0, retransmittedSegments = 0 } = info;
    if (isOutage || this.#isRecovering) {
      this.#repeatedInOutage = totalRetransmits;
      this.#isRecovering = retransmittedSegments > 0;
    }
    if (since.segmentsBefore <= this.#segments) return;

    for (const one of this.#waiting) one.lost -= this.#needless(one.lost, dsackDuplicates);
    for (let due = this.#waiting[0]; due && isDue(due, at, info); due = this.#waiting[0]) {
      this.#waiting.shift();
      const { sent, lost, from, to } = due;
      if (sent > 0) loss.record({ attempts: sent, lost: Math.min(sent, lost), from, to });
    }

    const learned = Math.max(this.#retransmissions, this.#repeatedInOutage);
    const repeated = Math.max(0, since.retransmissionsBefore - learned);
    const sent = since.segmentsBefore - this.#segments;
    const lost = repeated - this.#needless(repeated, dsackDuplicates);
    this.#segments = since.segmentsBefore;
    this.#retransmissions = since.retransmissionsBefore;
    const last = this.#waiting.at(-1);
    if (last && last.lost === 0 && lost === 0) last.sent += sent;
    else this.#waiting.push({ sent, lost, from, to, dueAt: at + lateMs, dueBytes: aheadOf(info) });
  }

  /** Returns how many of `retransmissions` the peer reports as needless. A report counts once. */
  #needless(retransmissions: number, dsackDuplicates: number): number {
    const needless = Math.max(0, Math.min(retransmissions, dsackDuplicates - this.#duplicates));
    this.#duplicates += needless;
    return needless;
  }
}

/** Segments sent by one reading and acknowledged, and how many of them were lost, as it seems. */
interface Waiting {
  sent: number;
  lost: number;
  readonly from: Instant;
  readonly to: Instant;
  readonly dueAt: Instant;
  /** Acknowledged bytes by which all has arrived that was under way; where the OS counts them. */
  readonly dueBytes: number;
}

function isDue({ dueAt, dueBytes }: Waiting, at: Instant, info: TcpInfo): boolean {
  const { bytesAcked = dueBytes, unackedSegments } = info;
  return at >= dueAt && (bytesAcked >= dueBytes || unackedSegments === 0);
}

function aheadOf({ bytesAcked = 0, unackedSegments = 0, sendMssBytes = 0 }: TcpInfo): number {
  return bytesAcked + unackedSegments * sendMssBytes;
}
