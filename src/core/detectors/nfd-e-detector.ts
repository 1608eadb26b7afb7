import type { Instant } from "../instant.ts";
import { ArrivalEstimator } from "./arrival-estimator.ts";
import { checkDuration, checkRange, checkSamples } from "./check-range.ts";
import { type Detector, type Verdict, verdictAt } from "./detector.ts";

export interface NfdEOptions {
  /** Heartbeat interval eta in ms. */
  readonly intervalMs: number;
  /** Safety margin alpha in ms behind each estimated arrival; 0 or more. Larger: fewer false alarms, later detection. */
  readonly marginMs: number;
  /** Arrivals that the estimate rests on; 1 to 1000000, default 32 as in the paper. */
  readonly samples?: number;
}

/**
 * Chen's NFD-E, for clocks that differ and arrivals that have to be estimated: the freshness point of the next heartbeat is its
 * estimated arrival plus a margin. Settings from `configureNfdU`. The first choice for numbered heartbeats.
 */
export class NfdEDetector implements Detector {
  readonly #marginMs: number;
  readonly #estimator: ArrivalEstimator;
  #newest = -1;
  #deadline: Instant;

  /** @throws HalfOpenError `ERR_OPTION_RANGE` */
  constructor(options: NfdEOptions, now: Instant) {
    const intervalMs = checkDuration("intervalMs", options.intervalMs);
    this.#marginMs = checkRange("marginMs", options.marginMs, 0, 31_557_600_000);
    this.#estimator = new ArrivalEstimator(intervalMs, checkSamples("samples", options.samples ?? 32), now);
    this.#deadline = now + intervalMs + this.#marginMs;
  }

  heard(now: Instant, sequence: number): void {
    if (sequence <= this.#newest) return;
    this.#newest = sequence;
    this.#estimator.arrived(now, sequence);
    this.#deadline = this.#estimator.expected(sequence + 1) + this.#marginMs;
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
