import type { Instant } from "../time/instant.ts";
import { checkDuration, checkRange, checkSamples } from "./check-range.ts";
import { EstimateDetector } from "./estimate-detector.ts";

/**
 * The two-window detector (Tomsic, Sens, Garcia, Arantes, Sopena, IPDPS 2015): NFD-E with the later
 * of two estimates, for paths whose delay jumps.
 */
export class TwoWindowDetector extends EstimateDetector {
  readonly #marginMs: number;

  /** @throws HalfOpenError `ERR_OPTION_RANGE` */
  constructor(options: TwoWindowOptions, now: Instant) {
    const intervalMs = checkDuration("intervalMs", options.intervalMs);
    const marginMs = checkRange("marginMs", options.marginMs, 0, 31_557_600_000);
    const samples = [
      checkSamples("shortSamples", options.shortSamples ?? 1),
      checkSamples("longSamples", options.longSamples ?? 1000),
    ];
    super(intervalMs, marginMs, samples, now);
    this.#marginMs = marginMs;
  }

  protected override marginAfter(): number {
    return this.#marginMs;
  }
}

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
