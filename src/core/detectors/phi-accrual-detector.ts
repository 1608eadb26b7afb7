import type { Instant } from "../time/instant.ts";
import { checkDuration, checkRange, checkSamples } from "./check-range.ts";
import { type AccrualDetector, type Verdict, verdictAt } from "./detector.ts";
import { IntervalWindow } from "./interval-window.ts";
import { logisticPhi, normalPhi, type PhiLaw } from "./phi-law.ts";

export interface PhiAccrualOptions {
  /** Heartbeat interval in ms, assumed until two heartbeats have been heard. */
  readonly intervalMs: number;
  /** Level at which the peer is suspected, 0.1 to 300; default 8. */
  readonly threshold?: number;
  /** `"normal"` as in the paper (default), or the `"logistic"` approximation that Akka uses. */
  readonly law?: "normal" | "logistic";
  /** Intervals that mean and deviation rest on; default 1000. */
  readonly samples?: number;
  /**
   * Floor of the deviation in ms; default a tenth of the interval. Without a floor, regular
   * heartbeats would allow no lateness.
   */
  readonly leastDeviationMs?: number;
  /** Pause in ms added to the mean interval before lateness counts; default 0. */
  readonly acceptablePauseMs?: number;
}

/**
 * The phi accrual detector (Hayashibara, Defago, Yared, Katayama, SRDS 2004). A phi of n claims
 * that a live peer is silent for so long with probability 10^-n. The claim holds only if intervals
 * are normal and nothing is lost. Losses enter the deviation, and the same detection time then
 * needs a threshold of 25 to 130 (docs/detectors.md). The interval that ends a suspicion does not
 * enter the window.
 */
export class PhiAccrualDetector implements AccrualDetector {
  readonly threshold: number;
  readonly #law: PhiLaw;
  readonly #latenessAtThreshold: number;
  readonly #leastDeviationMs: number;
  readonly #pauseMs: number;
  readonly #window: IntervalWindow;
  #newest = Number.NEGATIVE_INFINITY;
  #heardAt: Instant;
  #deadline: Instant;

  /** @throws HalfOpenError `ERR_OPTION_RANGE` */
  constructor(options: PhiAccrualOptions, now: Instant) {
    const intervalMs = checkDuration("intervalMs", options.intervalMs);
    this.threshold = checkRange("threshold", options.threshold ?? 8, 0.1, 300);
    this.#law = options.law === "logistic" ? logisticPhi : normalPhi;
    this.#latenessAtThreshold = this.#law.latenessAt(this.threshold);
    this.#leastDeviationMs = checkDuration(
      "leastDeviationMs",
      options.leastDeviationMs ?? intervalMs / 10,
    );
    this.#pauseMs = checkRange(
      "acceptablePauseMs",
      options.acceptablePauseMs ?? 0,
      0,
      31_557_600_000,
    );
    this.#window = new IntervalWindow(checkSamples("samples", options.samples ?? 1000));

    // Two made-up samples, a quarter below and above the interval, as Akka's detector starts
    this.#window.add(0.75 * intervalMs);
    this.#window.add(1.25 * intervalMs);
    this.#heardAt = now;
    this.#deadline = this.#deadlineFrom(now);
  }

  heard(now: Instant, sequence: number): void {
    if (sequence <= this.#newest) return;
    if (this.#newest !== Number.NEGATIVE_INFINITY && now < this.#deadline)
      this.#window.add(now - this.#heardAt);
    this.#newest = sequence;
    this.#heardAt = Math.max(this.#heardAt, now);
    this.#deadline = this.#deadlineFrom(this.#heardAt);
  }

  stalled(_now: Instant, gapMs: number): void {
    this.#heardAt += gapMs;
    this.#deadline += gapMs;
  }

  nextDeadline(): Instant {
    return this.#deadline;
  }

  verdict(now: Instant): Verdict {
    return verdictAt(now, this.#deadline);
  }

  level(now: Instant): number {
    const elapsedMs = now - this.#heardAt - this.#pauseMs - this.#window.meanMs;
    return this.#law.phi(elapsedMs / this.#deviationMs());
  }

  #deviationMs(): number {
    return Math.max(this.#leastDeviationMs, this.#window.deviationMs);
  }

  #deadlineFrom(heardAt: Instant): Instant {
    // Below a phi of 0.3 the formula allows no silence at all. A heartbeat just heard is never
    // late.
    const lateMs = this.#window.meanMs + this.#latenessAtThreshold * this.#deviationMs();
    return heardAt + this.#pauseMs + Math.max(0, lateMs);
  }
}
