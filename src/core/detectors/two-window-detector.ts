import type { Instant } from "../time/instant.ts";
import { ArrivalEstimator } from "./arrival-estimator.ts";
import { checkDuration, checkRange, checkSamples } from "./check-range.ts";
import { EstimateDetector } from "./estimate-detector.ts";

export interface TwoWindowOptions {
  /** Heartbeat interval eta in ms. */
  readonly intervalMs: number;
  /** Safety margin in ms behind the later of the two estimated arrivals; 0 or more. */
  readonly marginMs: number;
  /** Arrivals in the short window, which follows sudden jumps of the delay; default 1. */
  readonly shortSamples?: number;
  /** Arrivals in the long window, which keeps the accuracy; default 1000. */
  readonly longSamples?: number;
}

/**
 * The two-window detector (Tomsic, Sens, Garcia, Arantes, Sopena, IPDPS 2015): NFD-E with the later
 * of two estimates, for paths whose delay jumps.
 */
export class TwoWindowDetector extends EstimateDetector {
  readonly #marginMs: number;
  readonly #short: ArrivalEstimator;
  readonly #long: ArrivalEstimator;

  /** @throws HalfOpenError `ERR_OPTION_RANGE` */
  constructor(options: TwoWindowOptions, now: Instant) {
    const intervalMs = checkDuration("intervalMs", options.intervalMs);
    const marginMs = checkRange("marginMs", options.marginMs, 0, 31_557_600_000);
    super(now + intervalMs + marginMs);
    this.#marginMs = marginMs;
    this.#short = new ArrivalEstimator(
      intervalMs,
      checkSamples("shortSamples", options.shortSamples ?? 1),
      now,
    );
    this.#long = new ArrivalEstimator(
      intervalMs,
      checkSamples("longSamples", options.longSamples ?? 1000),
      now,
    );
  }

  protected override deadlineAfter(sequence: number, now: Instant): Instant {
    this.#short.arrived(now, sequence);
    this.#long.arrived(now, sequence);
    return (
      Math.max(this.#short.expected(sequence + 1), this.#long.expected(sequence + 1)) +
      this.#marginMs
    );
  }
}
