import type { Instant } from "../time/instant.ts";
import { checkRange } from "./check-range.ts";
import { FreshnessDetector } from "./freshness-detector.ts";

export interface NfdSOptions {
  /** Heartbeat interval eta in ms: number i is sent at `epoch + i * intervalMs`. */
  readonly intervalMs: number;
  /**
   * Shift delta in ms of the freshness points behind the sending times; 0 or more. Detection time
   * is at most interval + shift.
   */
  readonly shiftMs: number;
  /** When heartbeat 0 was sent, on the monitor's clock. */
  readonly epoch: Instant;
}

/**
 * Chen's NFD-S, for synchronised clocks: among all detectors with the same heartbeat interval and
 * bound on the detection time it has the best query accuracy. Its settings come from
 * `configureNfdS`, its exact quality from `chenQos`.
 */
export class NfdSDetector extends FreshnessDetector {
  /** @throws HalfOpenError `ERR_OPTION_RANGE` */
  constructor(options: NfdSOptions) {
    super(
      options.intervalMs,
      options.epoch + checkRange("shiftMs", options.shiftMs, 0, 31_557_600_000),
    );
  }
}
