import type { Instant } from "../core/time/instant.ts";

/**
 * An end that the kernel shows and the event loop has not reported. The event loop gets a grace
 * time to report it.
 */
export class QuietEnd {
  /** The kernel's error that the event loop took for an orderly end. */
  untoldError: string | null = null;
  #since: Instant | null = null;

  /** The connection is seen to be over. */
  get isSeen(): boolean {
    return this.#since !== null;
  }

  /** Returns whether the event loop had `graceMs` since the end was first seen. */
  isDue(now: Instant, graceMs: number): boolean {
    this.#since ??= now;
    return now - this.#since >= graceMs;
  }
}

/** Grace time of the event loop. */
export const GRACE_MS = 20;

/** Grace time of an event loop that reads: it first delivers the data that came before the end. */
export const GRACE_READING_MS = 1000;
