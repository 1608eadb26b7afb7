import type { Instant } from "../time/instant.ts";
import { checkRange } from "./check-range.ts";
import { NfdSDetector } from "./nfd-s-detector.ts";

/**
 * Chen's NFD-U, for clocks that differ by an unknown constant while the expected arrivals are
 * known: NFD-S with shift = mean delay + margin.
 */
export class NfdUDetector extends NfdSDetector {
  /** @throws HalfOpenError `ERR_OPTION_RANGE` */
  constructor({ intervalMs, marginMs, firstExpectedAt }: NfdUOptions) {
    const shiftMs = checkRange("marginMs", marginMs, 0, 31_557_600_000);
    super({ intervalMs, shiftMs, epoch: firstExpectedAt });
  }
}

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
