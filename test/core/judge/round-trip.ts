/** Linux's least variance in a timeout (RTO_MIN), and a jiffy. */
const LEAST_VARIANCE_MS = 200;
const JIFFY_MS = 4;

/** Estimates the round trip and the timeout as Linux does (tcp_input.c, tcp_rtt_estimator). */
export class RoundTrip {
  smoothedMs: number;
  /** Four times the mean deviation. */
  #deviationMs = 0;
  #varianceMs = LEAST_VARIANCE_MS;

  constructor(firstMs: number) {
    this.smoothedMs = firstMs;
  }

  /** The mean deviation, as TCP_INFO reports it. */
  get varianceMs(): number {
    return this.#deviationMs / 4;
  }

  /** The timeout without backoff. */
  get rtoMs(): number {
    return this.smoothedMs + this.#varianceMs + JIFFY_MS;
  }

  /** What happened: data that left `ms` ago was acknowledged. */
  sample(ms: number): void {
    const error = ms - this.smoothedMs;
    this.smoothedMs += error / 8;
    // A shorter round trip than expected raises the deviation only slowly.
    const change = Math.abs(error) - this.#deviationMs / 4;
    this.#deviationMs += error < 0 && change > 0 ? change / 8 : change;
    if (this.#deviationMs >= this.#varianceMs) this.#varianceMs = this.#deviationMs;
    else
      this.#varianceMs -= (this.#varianceMs - Math.max(LEAST_VARIANCE_MS, this.#deviationMs)) / 4;
  }
}
