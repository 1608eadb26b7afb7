import type { Instant } from "./instant.ts";

/**
 * A timer that comes this late shows that the event loop, the process or the machine stood still.
 * Garbage collection and busy loops stay far below.
 */
export const STALL_MS = 250;
/** A shorter suspend is no pause: no deadline is this tight, and clocks are not this exact. */
const SUSPEND_MS = 1000;
/** A suspend moves the wall clock at least this far, even one that NTP corrects at once. */
const NOTABLE_STEP_MS = 500;

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
  /** Milliseconds since the machine started, suspends included; `null` where the OS tells none. */
  readonly #bootClock: () => number | null;
  /** How far the wall clock, and the boot clock, were ahead of the monotonic clock. */
  #wallOffset: number | null = null;
  #bootOffset: number | null = null;

  /** Without `bootClock` no suspend is noticed. */
  constructor(bootClock: () => number | null = () => null) {
    this.#bootClock = bootClock;
  }

  /**
   * Returns the length of the last pause, if the pause came after the peer was heard and after
   * `earliest`; otherwise `null`.
   */
  pausedSinceMs(heardAt: Instant, earliest: Instant): number | null {
    const pause = this.lastPause;
    return pause !== null && pause.at > earliest && pause.at > heardAt ? pause.gapMs : null;
  }

  /** Returns the pause that this tick betrays, or `null`. All clocks in ms. */
  tick(due: Instant, now: Instant, wallClockMs: number): Pause | null {
    const slept = this.#sleptMs(now, wallClockMs - now);
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

  /**
   * Returns how long the machine was suspended since the last tick. A suspend moves the wall clock
   * ahead of the monotonic clock, but so does anybody who sets it. So a wall clock that moved is
   * only the reason to read the boot clock, which a step does not move.
   */
  #sleptMs(now: Instant, wallOffset: number): number {
    const before = this.#wallOffset;
    if (before !== null && Math.abs(wallOffset - before) <= NOTABLE_STEP_MS) return 0;
    this.#wallOffset = wallOffset;

    const bootMs = this.#bootClock();
    if (bootMs === null) return 0;
    const bootOffset = bootMs - now;
    const slept = this.#bootOffset === null ? 0 : bootOffset - this.#bootOffset;
    this.#bootOffset = bootOffset;
    return slept;
  }
}
