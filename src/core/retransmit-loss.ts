import type { LossEstimator } from "./loss-estimator.ts";
import type { TcpInfo } from "./tcp-info.ts";

/**
 * Learns losses from the totals of data segments and retransmissions, one reading late: what is in flight now may have been
 * retransmitted in vain, and says nothing of loss before it is answered.
 */
export class RetransmitLoss {
  #segmentsBefore = -1;
  #retransmitsBefore = 0;
  #segmentsLearned = 0;
  #retransmitsLearned = 0;

  observe(info: TcpInfo): void {
    const { totalRetransmits = 0, dataSegmentsOut = 0 } = info;
    if (this.#segmentsBefore < 0) {
      // What was lost before the watch began (a SYN, say) tells of the time before.
      this.#retransmitsLearned = totalRetransmits;
      this.#segmentsLearned = dataSegmentsOut;
    }
    this.#retransmitsBefore = totalRetransmits;
    this.#segmentsBefore = dataSegmentsOut;
  }

  /** The peer acknowledged something: all up to the previous reading is resolved. */
  teach(loss: LossEstimator): void {
    const sent = this.#segmentsBefore - this.#segmentsLearned;
    if (sent <= 0) return;
    loss.record(sent, Math.min(sent, this.#retransmitsBefore - this.#retransmitsLearned));
    this.#segmentsLearned = this.#segmentsBefore;
    this.#retransmitsLearned = this.#retransmitsBefore;
  }
}
