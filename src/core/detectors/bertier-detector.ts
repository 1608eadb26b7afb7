import type { Instant } from "../time/instant.ts";
import { checkDuration, checkRange, checkSamples } from "./check-range.ts";
import { EstimateDetector } from "./estimate-detector.ts";

/**
 * Bertier's detector (Bertier, Marin, Sens, DSN 2002): Chen's estimate with a margin that follows
 * the error of the estimate as Jacobson's retransmission timer does. Meant for local networks, and
 * eager: on a lossy path it errs at every lost heartbeat.
 */
export class BertierDetector extends EstimateDetector {
  readonly #gamma: number;
  readonly #beta: number;
  readonly #phi: number;
  #meanErrorMs = 0;
  #variationMs: number;

  /** @throws HalfOpenError `ERR_OPTION_RANGE` */
  constructor(options: BertierOptions, now: Instant) {
    const intervalMs = checkDuration("intervalMs", options.intervalMs);
    // Before the first heartbeat the margin is one interval: a margin of 0 would err at once
    super(intervalMs, intervalMs, [checkSamples("samples", options.samples ?? 1000)], now);
    this.#gamma = checkRange("gamma", options.gamma ?? 0.1, 0, 1);
    this.#beta = checkRange("beta", options.beta ?? 1, 0, 1000);
    this.#phi = checkRange("phi", options.phi ?? 4, 0, 1000);
    this.#variationMs = this.#phi > 0 ? intervalMs / this.#phi : 0;
  }

  protected override marginAfter(errorMs: number | null): number {
    if (errorMs !== null) {
      const surpriseMs = errorMs - this.#meanErrorMs;
      this.#meanErrorMs += this.#gamma * surpriseMs;
      this.#variationMs += this.#gamma * (Math.abs(surpriseMs) - this.#variationMs);
    }
    return this.#beta * this.#meanErrorMs + this.#phi * this.#variationMs;
  }
}

export interface BertierOptions {
  /** Heartbeat interval eta in ms. */
  readonly intervalMs: number;
  /** Arrivals that the estimate rests on; default 1000. */
  readonly samples?: number;
  /** Weight of a new error in its running mean and variation, 0 to 1; default 0.1. */
  readonly gamma?: number;
  /** Weight of the mean error in the margin; default 1. */
  readonly beta?: number;
  /** Weight of the variation of the error in the margin; default 4. */
  readonly phi?: number;
}
