/**
 * Mean and standard deviation of the last `samples` intervals. Uses Welford's update, forwards and
 * backwards: E[x^2]-mean^2 would lose all digits.
 */
export class IntervalWindow {
  readonly #intervals: Float64Array;
  #count = 0;
  #at = 0;
  #meanMs = 0;
  #squares = 0;

  constructor(samples: number) {
    this.#intervals = new Float64Array(samples);
  }

  get meanMs(): number {
    return this.#meanMs;
  }

  /** Standard deviation of the population, as the accrual detectors define it. */
  get deviationMs(): number {
    return this.#count < 2 ? 0 : Math.sqrt(Math.max(0, this.#squares) / this.#count);
  }

  add(intervalMs: number): void {
    const { length } = this.#intervals;
    const before = this.#meanMs;

    if (this.#count < length) {
      this.#count++;
      this.#meanMs += (intervalMs - before) / this.#count;
      this.#squares += (intervalMs - before) * (intervalMs - this.#meanMs);
    } else {
      const oldest = this.#intervals[this.#at] as number;
      this.#meanMs += (intervalMs - oldest) / length;
      this.#squares += (intervalMs - oldest) * (intervalMs - this.#meanMs + oldest - before);
    }

    this.#intervals[this.#at] = intervalMs;
    this.#at++;
    if (this.#at === length) this.#wrap();
  }

  /** Computes both anew once a round, so that rounding errors do not pile up. */
  #wrap(): void {
    this.#at = 0;
    let sum = 0;
    for (const intervalMs of this.#intervals) sum += intervalMs;
    this.#meanMs = sum / this.#intervals.length;
    let squares = 0;
    for (const intervalMs of this.#intervals) squares += (intervalMs - this.#meanMs) ** 2;
    this.#squares = squares;
  }
}
