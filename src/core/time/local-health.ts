import type { Instant } from "./instant.ts";

/**
 * A timer this late means that the event loop, the process or the machine stood still. Garbage
 * collection and busy loops stay far below.
 */
export const STALL_MS = 250;
/**
 * The wall clock moving this much further than the monotonic one betrays a suspend (or a step by
 * NTP, which is harmless to assume).
 */
const SUSPEND_MS = 1000;

export interface Pause {
  readonly at: Instant;
  readonly gapMs: number;
  readonly kind: "stall" | "suspend";
}

/**
 * Suspects this process first: notices that timers came late or that the machine slept, so that no
 * peer is blamed for it. Told of every tick; keeps the last pause and the sum of all.
 */
export class LocalHealth {
  lastPause: Pause | null = null;
  /**
   * Milliseconds lost to stalls so far. Each connection compares it with the sum it saw last and
   * moves its deadlines by the difference.
   */
  lostMs = 0;
  /**
   * Ends of suspends so far: monotonic time stood still then, so deadlines need no move, but the
   * first evidence after one is stale.
   */
  suspends = 0;
  #wallOffset: number | null = null;

  /**
   * How long this process stood still in the last pause, if that came after a peer was heard and
   * not before `earliest`; else `null`.
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
