import type { Instant } from "../time/instant.ts";

/**
 * Chen's estimate of the next arrival: EA(l+1) = mean over the last n arrivals of (A_i - eta *
 * s_i), plus (l+1) * eta. Constant differences between the clocks cancel out. Losses do too,
 * because every arrival carries its number.
 */
export class ArrivalEstimator {
  readonly #intervalMs: number;
  readonly #offsets: Float64Array;
  /** Offsets are kept relative to the first offset: sums of small numbers lose no digits. */
  #origin: Instant;
  #count = 0;
  #at = 0;
  #sum = 0;

  constructor(intervalMs: number, samples: number, now: Instant) {
    this.#intervalMs = intervalMs;
    this.#offsets = new Float64Array(samples);
    this.#origin = now;
  }

  arrived(now: Instant, sequence: number): void {
    const offset = now - sequence * this.#intervalMs;
    if (this.#count === 0) this.#origin = offset;
    const relative = offset - this.#origin;

    const { length } = this.#offsets;
    if (this.#count < length) this.#count++;
    else this.#sum -= this.#offsets[this.#at] as number;
    this.#offsets[this.#at] = relative;
    this.#sum += relative;

    this.#at++;
    if (this.#at === length) this.#wrap();
  }

  /**
   * Returns the expected arrival of this heartbeat. Before the first arrival, the time counts from
   * the construction.
   */
  expected(sequence: number): Instant {
    const mean = this.#count === 0 ? 0 : this.#sum / this.#count;
    return this.#origin + mean + sequence * this.#intervalMs;
  }

  /** Computes the sum anew once a round, so that rounding errors do not pile up over months. */
  #wrap(): void {
    this.#at = 0;
    let sum = 0;
    for (const offset of this.#offsets) sum += offset;
    this.#sum = sum;
  }
}
