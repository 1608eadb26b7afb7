import type { Instant } from "../time/instant.ts";
import type { PathTiming } from "./path-timing.ts";
import type { Reading } from "./reading.ts";

/** Keeps when data in flight last made progress, and what was repeated by then. */
export class Progress {
  /** The last instant of progress. While nothing is in flight, the last reading. */
  at: Instant;

  /**
   * Total of retransmissions before the data in flight was sent. Later ones belong to this data,
   * since on most paths nothing else is repeated.
   */
  repeatedBefore: number;

  readonly #isRepeatedKnown: boolean;

  /** `repeatedBefore`: total of retransmissions before the first reading; default unknown. */
  constructor(now: Instant, repeatedBefore?: number) {
    this.at = now;
    this.repeatedBefore = repeatedBefore ?? 0;
    this.#isRepeatedKnown = repeatedBefore !== undefined;
  }

  /** What happened: a reading. */
  observe({ at, info, flow, since }: Reading, timing: PathTiming): void {
    if (since.isFirst && !this.#isRepeatedKnown) this.repeatedBefore = info.totalRetransmits ?? 0;
    if (since.progressed) this.repeatedBefore = since.retransmissionsBefore;

    // Data that enters flight starts its own clock, as far back as the kernel's backoff proves it
    // to be unanswered.
    if (flow !== "in-flight") this.at = at;
    else if (since.progressed || since.takesOff)
      this.at = Math.max(this.at, at - timing.flightAgeMs(info));
  }
}
