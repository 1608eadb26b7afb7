import type { Instant } from "../time/instant.ts";
import { checkRange } from "./check-range.ts";
import { FreshnessDetector } from "./freshness-detector.ts";

export interface NfdUOptions {
  /** Heartbeat interval eta in ms. */
  readonly intervalMs: number;
  /** Safety margin alpha in ms behind each expected arrival; 0 or more. */
  readonly marginMs: number;
  /**
   * Expected arrival of heartbeat 0 on the monitor's clock: its sending time plus the mean delay.
   */
  readonly firstExpectedAt: Instant;
}

/**
 * Chen's NFD-U, for clocks that differ by an unknown constant while the expected arrivals are
 * known: NFD-S with shift = mean delay + margin.
 */
export class NfdUDetector extends FreshnessDetector {
  /** @throws HalfOpenError `ERR_OPTION_RANGE` */
  constructor(options: NfdUOptions) {
    super(
      options.intervalMs,
      options.firstExpectedAt + checkRange("marginMs", options.marginMs, 0, 31_557_600_000),
    );
  }
}
