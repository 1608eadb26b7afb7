import { HEARD_SLACK_MS } from "../core/judge/lateness.ts";
import { outageOf } from "../core/judge/quick-terms.ts";
import type { TcpInfo } from "../core/tcp-info.ts";
import type { Instant } from "../core/time/instant.ts";

/**
 * Gaps in the data of one peer: what comes behind a lost segment waits until the peer's kernel has
 * repeated that one. A kernel that repeats sends little else, so where gaps are common the answers
 * of a live process may be held back. What we lose ourselves, the host check learns.
 */
export class DataGaps {
  readonly #outageMs: number;
  #outOfOrder = 0;
  /** Data waits behind a gap, as far as is known. */
  #isOpen = false;
  #seenAt: Instant = Number.NEGATIVE_INFINITY;
  /** The last two gaps that are not one outage. */
  #lastAt: Instant = Number.NEGATIVE_INFINITY;
  #beforeAt: Instant = Number.NEGATIVE_INFINITY;

  constructor(detectWithinMs: number, surviveOutageMs: number | null) {
    this.#outageMs = outageOf(detectWithinMs, surviveOutageMs);
  }

  /**
   * What happened: a reading. Returns when more data came behind a gap, which is news of the
   * process though nobody can read it yet; `null`: none did.
   */
  observe(now: Instant, info: TcpInfo): Instant | null {
    const { outOfOrderSegmentsIn = 0, lastAckReceivedMs = 0, lastDataReceivedMs = 0 } = info;
    const isMore = outOfOrderSegmentsIn > this.#outOfOrder;
    this.#outOfOrder = outOfOrderSegmentsIn;
    if (!isMore) {
      // Only data in order moves the age of the last data.
      if (now - lastDataReceivedMs > this.#seenAt) this.#isOpen = false;
      return null;
    }
    this.#isOpen = lastDataReceivedMs > lastAckReceivedMs + HEARD_SLACK_MS;
    this.#seenAt = now;
    if (now - this.#lastAt > this.#outageMs) {
      this.#beforeAt = this.#lastAt;
      this.#lastAt = now;
    }
    return now - lastAckReceivedMs;
  }

  /** Returns whether an answer may be held back. */
  mayHoldBack(now: Instant): boolean {
    return this.#isOpen || now - this.#beforeAt < RECENT_MS;
  }
}

/** Two gaps within this time are no accident. */
const RECENT_MS = 60_000;
