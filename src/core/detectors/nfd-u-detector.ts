import type { Instant } from "../instant.ts";
import { checkDuration, checkRange } from "./check-range.ts";
import { type Detector, type Verdict, verdictAt } from "./detector.ts";
import { FreshnessPoints } from "./freshness-points.ts";

export interface NfdUOptions {
  /** Heartbeat interval eta in ms. */
  readonly intervalMs: number;
  /** Safety margin alpha in ms behind each expected arrival; 0 or more. */
  readonly marginMs: number;
  /** Expected arrival of heartbeat 0 on the monitor's clock: its sending time plus the mean delay. */
  readonly firstExpectedAt: Instant;
}

/** Chen's NFD-U, for clocks that differ by an unknown constant while the expected arrivals are known: NFD-S with shift = mean delay + margin. */
export class NfdUDetector implements Detector {
  readonly #points: FreshnessPoints;

  /** @throws HalfOpenError `ERR_OPTION_RANGE` */
  constructor(options: NfdUOptions) {
    const marginMs = checkRange("marginMs", options.marginMs, 0, 31_557_600_000);
    this.#points = new FreshnessPoints(checkDuration("intervalMs", options.intervalMs), options.firstExpectedAt + marginMs);
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
