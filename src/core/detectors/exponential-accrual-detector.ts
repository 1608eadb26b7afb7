import type { Instant } from "../time/instant.ts";
import { checkDuration, checkRange, checkSamples } from "./check-range.ts";
import { type AccrualDetector, type Verdict, verdictAt } from "./detector.ts";
import { IntervalWindow } from "./interval-window.ts";

export interface ExponentialAccrualOptions {
  /** Heartbeat interval in ms, assumed until two heartbeats have been heard. */
  readonly intervalMs: number;
  /** Level at which the peer is suspected, 0.1 to 300; default 8: 18.4 mean intervals. */
  readonly threshold?: number;
  /** Intervals that the mean rests on; default 1000. */
  readonly samples?: number;
}

/**
 * Accrual over an exponential law, as in Cassandra: level = elapsed / mean interval * log10(e).
 * Only the mean counts. So the detector assumes nothing about the deviation, and is late when
 * heartbeats are regular.
 */
export class ExponentialAccrualDetector implements AccrualDetector {
  readonly threshold: number;
  readonly #window: IntervalWindow;
  #newest = Number.NEGATIVE_INFINITY;
  #heardAt: Instant;

  /** @throws HalfOpenError `ERR_OPTION_RANGE` */
  constructor(options: ExponentialAccrualOptions, now: Instant) {
    this.threshold = checkRange("threshold", options.threshold ?? 8, 0.1, 300);
    this.#window = new IntervalWindow(checkSamples("samples", options.samples ?? 1000));
    this.#window.add(checkDuration("intervalMs", options.intervalMs));
    this.#heardAt = now;
  }

  heard(now: Instant, sequence: number): void {
    if (sequence <= this.#newest) return;
    // Two heartbeats that were delivered together must not make the mean 0
    if (
      this.#newest !== Number.NEGATIVE_INFINITY &&
      now > this.#heardAt &&
      now < this.nextDeadline()
    )
      this.#window.add(now - this.#heardAt);
    this.#newest = sequence;
    this.#heardAt = Math.max(this.#heardAt, now);
  }

  stalled(_now: Instant, gapMs: number): void {
    this.#heardAt += gapMs;
  }

  nextDeadline(): Instant {
    return this.#heardAt + this.threshold * Math.LN10 * this.#window.meanMs;
  }

  verdict(now: Instant): Verdict {
    return verdictAt(now, this.nextDeadline());
  }

  level(now: Instant): number {
    return Math.max(0, now - this.#heardAt) / (this.#window.meanMs * Math.LN10);
  }
}
