import type { Instant } from "../time/instant.ts";
import { checkDuration } from "./check-range.ts";
import { type Detector, type Verdict, verdictAt } from "./detector.ts";

export interface FixedTimeoutOptions {
  /** Silence in ms after which the peer is suspected; more than 0. */
  readonly timeoutMs: number;
}

/**
 * Suspects a peer after a fixed silence. The detection time depends on the delay of the last
 * heartbeat, a dependence that Chen's detectors avoid. On a path whose delay varies little, a fixed
 * timeout is nearly as good as these (docs/detectors.md).
 */
export class FixedTimeoutDetector implements Detector {
  readonly #timeoutMs: number;
  #heardAt: Instant;
  #newest = Number.NEGATIVE_INFINITY;

  /** @throws HalfOpenError `ERR_OPTION_RANGE` */
  constructor(options: FixedTimeoutOptions, now: Instant) {
    this.#timeoutMs = checkDuration("timeoutMs", options.timeoutMs);
    this.#heardAt = now;
  }

  heard(now: Instant, sequence: number): void {
    if (sequence <= this.#newest) return;
    this.#newest = sequence;
    this.#heardAt = Math.max(this.#heardAt, now);
  }

  stalled(now: Instant, gapMs: number): void {
    this.#heardAt = Math.min(now, this.#heardAt + gapMs);
  }

  nextDeadline(): Instant {
    return this.#heardAt + this.#timeoutMs;
  }

  verdict(now: Instant): Verdict {
    return verdictAt(now, this.nextDeadline());
  }
}
