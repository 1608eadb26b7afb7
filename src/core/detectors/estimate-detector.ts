import type { Instant } from "../time/instant.ts";
import { type Detector, type Verdict, verdictAt } from "./detector.ts";

/**
 * A detector whose deadline follows from an estimate of the next arrival, made anew with each
 * newest heartbeat.
 */
export abstract class EstimateDetector implements Detector {
  #newest = -1;
  #deadline: Instant;

  /** `deadline`: the deadline before the first heartbeat. */
  constructor(deadline: Instant) {
    this.#deadline = deadline;
  }

  /** Learns from the newest heartbeat. Returns the deadline of the one behind it. */
  protected abstract deadlineAfter(sequence: number, now: Instant, isFirst: boolean): Instant;

  heard(now: Instant, sequence: number): void {
    if (sequence <= this.#newest) return;
    const isFirst = this.#newest < 0;
    this.#newest = sequence;
    this.#deadline = this.deadlineAfter(sequence, now, isFirst);
  }

  stalled(_now: Instant, gapMs: number): void {
    this.#deadline += gapMs;
  }

  nextDeadline(): Instant {
    return this.#deadline;
  }

  verdict(now: Instant): Verdict {
    return verdictAt(now, this.#deadline);
  }
}
