import type { Instant } from "../core/time/instant.ts";

/** What is seen of an end that the event loop has not told yet: it gets a moment to tell it. */
export class QuietEnd {
  /** The kernel's error that came as an orderly end. */
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

/** The moment that the event loop gets... */
export const GRACE_MS = 20;

/** ...and where it reads, since it hands out first what came before. */
export const GRACE_READING_MS = 1000;
