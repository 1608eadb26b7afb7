import type { Instant } from "./instant.ts";

/**
 * A timer that comes this late shows that the event loop, the process or the machine stood still.
 * Garbage collection and busy loops stay far below.
 */
export const STALL_MS = 250;
/**
 * A wall clock that moved this much further than the monotonic clock betrays a suspend. A step by
 * NTP looks the same, and taking one for a suspend is harmless.
 */
const SUSPEND_MS = 1000;

export interface Pause {
  readonly at: Instant;
  readonly gapMs: number;
  readonly kind: "stall" | "suspend";
}

/**
 * Suspects this process first: notices late timers and suspends of the machine, so that no peer is
 * suspected for them. Takes every tick. Keeps the last pause and the sum of all stalls.
 */
export class LocalHealth {
  lastPause: Pause | null = null;
  /**
   * Milliseconds lost to stalls so far. Each connection compares this sum with the sum at its last
   * check, and moves its deadlines by the difference.
   */
  lostMs = 0;
  /**
   * Suspends that have ended so far. Monotonic time stood still during them, so deadlines need no
   * move, but the first evidence after a suspend is stale.
   */
  suspends = 0;
  /** When the last suspend ended. */
  suspendedAt: Instant = Number.NEGATIVE_INFINITY;
  #wallOffset: number | null = null;

  /**
   * Returns the length of the last pause, if the pause came after the peer was heard and after
   * `earliest`; otherwise `null`.
   */
  pausedSinceMs(heardAt: Instant, earliest: Instant): number | null {
    const pause = this.lastPause;
    return pause !== null && pause.at > earliest && pause.at > heardAt ? pause.gapMs : null;
  }

  /** Returns the pause that this tick betrays, or `null`. */
  tick(due: Instant, now: Instant, wallClockMs: number): Pause | null {
    const offset = wallClockMs - now;
    const slept = this.#wallOffset === null ? 0 : offset - this.#wallOffset;
    this.#wallOffset = offset;

    if (slept > SUSPEND_MS) {
      this.suspends++;
      this.suspendedAt = now;
      this.lastPause = { at: now, gapMs: slept, kind: "suspend" };
      return this.lastPause;
    }

    const late = now - due;
    if (late < STALL_MS) return null;
    this.lostMs += late;
    this.lastPause = { at: now, gapMs: late, kind: "stall" };
    return this.lastPause;
  }
}
