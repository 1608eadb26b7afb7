import type { TcpInfo } from "../tcp-info.ts";
import type { Instant } from "../time/instant.ts";
import type { PathLoss } from "./path-loss.ts";

/**
 * Learns losses from the totals of data segments and retransmissions. What was not answered yet
 * says nothing (it may be lost for good), and what the peer reports to have got twice (RFC 3708)
 * was not lost: a tail loss probe that overtakes a delayed acknowledgment, say. That report comes
 * one round trip later, so every lesson waits for the next acknowledgment.
 */
export class RetransmitLoss {
  #segments = -1;
  #retransmits = 0;
  /** Totals up to which lessons were taken. */
  #segmentsLearned = 0;
  #retransmitsLearned = 0;
  #duplicatesLearned = 0;
  /** The lesson that waits. */
  #sent = 0;
  #lost = 0;
  #from: Instant = 0;
  #to: Instant = 0;

  observe(info: TcpInfo): void {
    const isFirst = this.#segments < 0;
    this.#segments = info.dataSegmentsOut ?? 0;
    this.#retransmits = info.totalRetransmits ?? 0;
    if (!isFirst) return;
    // What was lost before the watch began (a SYN, say) tells of the time before.
    this.#segmentsLearned = this.#segments;
    this.#retransmitsLearned = this.#retransmits;
    this.#duplicatesLearned = info.dsackDuplicates ?? 0;
  }

  /** A loss was seen that is not taught yet. */
  get hasLesson(): boolean {
    return this.#lost > 0 || this.#retransmits > this.#retransmitsLearned;
  }

  /**
   * The peer acknowledged something: all up to the previous reading is resolved. What was lost
   * since then was lost between `from` and `to`; in an outage that tells nothing.
   */
  teach(
    loss: PathLoss,
    { dsackDuplicates = 0 }: TcpInfo,
    from: Instant,
    to: Instant,
    isOutage = false,
  ): void {
    if (this.#segments <= this.#segmentsLearned) return;
    const waiting = this.#lost - this.#needless(this.#lost, dsackDuplicates);
    if (this.#sent > 0)
      loss.record({
        attempts: this.#sent,
        lost: Math.min(this.#sent, waiting),
        from: this.#from,
        to: this.#to,
      });
    const repeated = this.#retransmits - this.#retransmitsLearned;
    this.#sent = this.#segments - this.#segmentsLearned;
    this.#lost = isOutage ? 0 : repeated - this.#needless(repeated, dsackDuplicates);
    this.#from = from;
    this.#to = to;
    this.#segmentsLearned = this.#segments;
    this.#retransmitsLearned = this.#retransmits;
  }

  /** How many of so many retransmissions the peer reports as needless; each report counts once. */
  #needless(retransmissions: number, dsackDuplicates: number): number {
    const needless = Math.max(
      0,
      Math.min(retransmissions, dsackDuplicates - this.#duplicatesLearned),
    );
    this.#duplicatesLearned += needless;
    return needless;
  }
}
