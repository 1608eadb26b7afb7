import type { Instant } from "../time/instant.ts";
import { checkDuration, checkRange } from "./check-range.ts";
import { type Detector, type Verdict, verdictAt } from "./detector.ts";

/**
 * Chen's NFD-S, for synchronised clocks (Chen, Toueg, Aguilera, IEEE ToC 51(5), 2002). Among all
 * detectors with the same heartbeat interval and bound on the detection time, NFD-S has the best
 * query accuracy. Its settings come from `configureNfdS`, its exact quality from `chenQos`.
 *
 * Freshness points tau_i lie a fixed distance apart. From tau_i on, the peer is trusted only if
 * heartbeat i or a newer one has arrived. With heartbeat n as the newest, trust ends at tau_(n+1).
 * An older heartbeat, however late, restores no trust: so the detection time does not depend on the
 * last delay.
 */
export class NfdSDetector implements Detector {
  readonly #intervalMs: number;
  /** tau_0 */
  readonly #firstAt: Instant;
  #newest = -1;
  #postponedMs = 0;

  /** @throws HalfOpenError `ERR_OPTION_RANGE` */
  constructor({ intervalMs, shiftMs, epoch }: NfdSOptions) {
    this.#firstAt = epoch + checkRange("shiftMs", shiftMs, 0, 31_557_600_000);
    this.#intervalMs = checkDuration("intervalMs", intervalMs);
  }

  heard(_now: Instant, sequence: number): void {
    if (sequence <= this.#newest) return;
    this.#newest = sequence;
    this.#postponedMs = 0;
  }

  /** The pending point moves. The later points stay with the sender's clock. */
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

export interface NfdSOptions {
  /** Heartbeat interval eta in ms: number i is sent at `epoch + i * intervalMs`. */
  readonly intervalMs: number;
  /**
   * Shift delta in ms of the freshness points behind the sending times; 0 or more. Detection time
   * is at most interval + shift.
   */
  readonly shiftMs: number;
  /** When heartbeat 0 was sent, on the monitor's clock. */
  readonly epoch: Instant;
}
