import type { TcpInfo } from "../tcp-info.ts";
import type { Instant } from "../time/instant.ts";
import { type Flow, progressMark } from "./flow.ts";
import type { PathTiming } from "./path-timing.ts";

/**
 * Notices that the peer has received more of what we sent, and since when what is in flight goes
 * without progress.
 */
export class Progress {
  /** Since when there is none. */
  at: Instant;
  /**
   * Retransmissions in all at the reading before progress was last seen: what was repeated since
   * then belongs to what is in flight now, since on most paths nothing else is repeated.
   */
  repeatedBefore = 0;
  #mark: number | undefined;
  #repeated: number | undefined;

  /** `repeated`: retransmissions in all at a reading before the first one; default unknown. */
  constructor(now: Instant, repeated?: number) {
    this.at = now;
    this.#repeated = repeated;
  }

  /** No reading was seen yet. */
  get isNew(): boolean {
    return this.#mark === undefined;
  }

  /**
   * What happened: a reading. `takesOff`: data has entered flight since the last one. Returns
   * whether there was progress.
   */
  observe(now: Instant, info: TcpInfo, flow: Flow, takesOff: boolean, timing: PathTiming): boolean {
    const mark = progressMark(info);
    const progressed = this.#mark !== undefined && mark !== this.#mark;
    if (progressed || this.isNew)
      this.repeatedBefore = this.#repeated ?? info.totalRetransmits ?? 0;
    this.#repeated = info.totalRetransmits;
    this.#mark = mark;
    // Data that enters flight starts its own clock, as far back as the kernel's backoff proves it
    // to be unanswered.
    if (flow !== "in-flight") this.at = now;
    else if (progressed || takesOff) this.at = Math.max(this.at, now - timing.flightAgeMs(info));
    return progressed;
  }
}
