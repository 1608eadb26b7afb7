import type { Instant } from "../time/instant.ts";
import { checkDuration, checkRange, checkSamples } from "./check-range.ts";
import { EstimateDetector } from "./estimate-detector.ts";

/**
 * Chen's NFD-E, for clocks that differ and arrivals that have to be estimated: the freshness point
 * of the next heartbeat is its estimated arrival plus a margin. Settings come from `configureNfdU`.
 * The first choice for numbered heartbeats.
 */
export class NfdEDetector extends EstimateDetector {
  readonly #marginMs: number;

  /** @throws HalfOpenError `ERR_OPTION_RANGE` */
  constructor(options: NfdEOptions, now: Instant) {
    const intervalMs = checkDuration("intervalMs", options.intervalMs);
    const marginMs = checkRange("marginMs", options.marginMs, 0, 31_557_600_000);
    super(intervalMs, marginMs, [checkSamples("samples", options.samples ?? 32)], now);
    this.#marginMs = marginMs;
  }

  protected override marginAfter(): number {
    return this.#marginMs;
  }
}

export interface NfdEOptions {
  /** Heartbeat interval eta in ms. */
  readonly intervalMs: number;
  /**
   * Safety margin alpha in ms behind each estimated arrival; 0 or more. A larger margin gives fewer
   * false alarms and later detection.
   */
  readonly marginMs: number;
  /** Arrivals that the estimate rests on; 1 to 1000000, default 32 as in the paper. */
  readonly samples?: number;
}
