import type { Instant } from "../time/instant.ts";
import { checkDuration } from "./check-range.ts";
import { type Detector, type Verdict, verdictAt } from "./detector.ts";

/**
 * Chen's freshness points tau_i, a fixed distance apart (Chen, Toueg, Aguilera, IEEE ToC 51(5),
 * 2002): from tau_i on the peer is trusted only if some heartbeat number i or newer has arrived. So
 * with number n as the newest, trust ends at tau_(n+1), and an older heartbeat, however late,
 * restores none: that is what makes the detection time independent of the last delay.
 */
export class FreshnessDetector implements Detector {
  readonly #intervalMs: number;
  readonly #firstAt: Instant;
  #newest = -1;
  #postponedMs = 0;

  /** `firstAt` is tau_0. @throws HalfOpenError `ERR_OPTION_RANGE` */
  constructor(intervalMs: number, firstAt: Instant) {
    this.#intervalMs = checkDuration("intervalMs", intervalMs);
    this.#firstAt = firstAt;
  }

  heard(_now: Instant, sequence: number): void {
    if (sequence <= this.#newest) return;
    this.#newest = sequence;
    this.#postponedMs = 0;
  }

  /** The pending point moves; the ones behind it stay with the sender's clock. */
  stalled(_now: Instant, gapMs: number): void {
    this.#postponedMs += gapMs;
  }

  nextDeadline(): Instant {
    return this.#firstAt + (this.#newest + 1) * this.#intervalMs + this.#postponedMs;
  }

  verdict(now: Instant): Verdict {
    return verdictAt(now, this.nextDeadline());
  }
}
