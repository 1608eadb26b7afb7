import type { Instant } from "../time/instant.ts";
import { ArrivalEstimator } from "./arrival-estimator.ts";
import { type Detector, type Verdict, verdictAt } from "./detector.ts";

/**
 * A detector whose deadline is the estimated arrival of the next heartbeat plus a margin. Several
 * estimates may run side by side; the latest of them counts. Each newest heartbeat renews the
 * estimates and the margin.
 */
export abstract class EstimateDetector implements Detector {
  readonly #estimators: readonly ArrivalEstimator[];
  #newest = -1;
  #deadline: Instant;

  /**
   * One estimator for each entry of `samples`, the number of arrivals that the estimate rests on.
   * `marginMs`: the margin before the first heartbeat.
   */
  constructor(intervalMs: number, marginMs: number, samples: readonly number[], now: Instant) {
    this.#estimators = samples.map((count) => new ArrivalEstimator(intervalMs, count, now));
    this.#deadline = now + intervalMs + marginMs;
  }

  /**
   * Returns the margin in ms behind the next estimate. `errorMs`: how much later than estimated the
   * newest heartbeat came; `null` for the first one, of which nothing was known.
   */
  protected abstract marginAfter(errorMs: number | null): number;

  heard(now: Instant, sequence: number): void {
    if (sequence <= this.#newest) return;
    const errorMs = this.#newest < 0 ? null : now - this.#expected(sequence);
    this.#newest = sequence;
    for (const estimator of this.#estimators) estimator.arrived(now, sequence);
    this.#deadline = this.#expected(sequence + 1) + this.marginAfter(errorMs);
  }

  stalled(_now: Instant, gapMs: number): void {
    this.#deadline += gapMs;
  }

  nextDeadline(): Instant {
    return this.#deadline;
  }

  verdict(now: Instant): Verdict {
    return verdictAt(now, this.#deadline);
  }

  #expected(sequence: number): Instant {
    let latest = Number.NEGATIVE_INFINITY;
    for (const estimator of this.#estimators)
      latest = Math.max(latest, estimator.expected(sequence));
    return latest;
  }
}
