import type { Instant } from "../instant.ts";
import { checkDuration, checkRange } from "./check-range.ts";
import { type Detector, type Verdict, verdictAt } from "./detector.ts";
import { FreshnessPoints } from "./freshness-points.ts";

export interface NfdSOptions {
  /** Heartbeat interval eta in ms: number i is sent at `epoch + i * intervalMs`. */
  readonly intervalMs: number;
  /** Shift delta in ms of the freshness points behind the sending times; 0 or more. Detection time is at most interval + shift. */
  readonly shiftMs: number;
  /** When heartbeat 0 was sent, on the monitor's clock. */
  readonly epoch: Instant;
}

/**
 * Chen's NFD-S, for synchronised clocks: among all detectors with the same heartbeat interval and bound on the detection time it
 * has the best query accuracy. Its settings come from `configureNfdS`, its exact quality from `chenQos`.
 */
export class NfdSDetector implements Detector {
  readonly #points: FreshnessPoints;

  /** @throws HalfOpenError `ERR_OPTION_RANGE` */
  constructor(options: NfdSOptions) {
    const shiftMs = checkRange("shiftMs", options.shiftMs, 0, 31_557_600_000);
    this.#points = new FreshnessPoints(checkDuration("intervalMs", options.intervalMs), options.epoch + shiftMs);
  }

  heard(_now: Instant, sequence: number): void {
    this.#points.heard(sequence);
  }

  stalled(_now: Instant, gapMs: number): void {
    this.#points.postpone(gapMs);
  }

  nextDeadline(): Instant {
    return this.#points.next();
  }

  verdict(now: Instant): Verdict {
    return verdictAt(now, this.nextDeadline());
  }
}
