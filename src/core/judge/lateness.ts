/** How late the kernel's timers fire, and how late this process sees what they did. */

/** Kernel timers fire up to an eighth late (docs/internals/kernel.md#timers-are-late). */
export const TIMER_LATE = 1.125;

/**
 * The kernel's clock ticks at 4 or 10 ms, so the age of the same ACK wobbles by as much between two
 * readings.
 */
export const HEARD_SLACK_MS = 15;

/** Returns how far apart readings are while data is in flight. */
export function flightPollMs(budgetMs: number): number {
  return Math.min(LONGEST_POLL_MS, Math.max(HURRIED_POLL_MS, budgetMs / 20));
}

/** How far apart readings are once the budget has ended. */
export const HURRIED_POLL_MS = 50;
const LONGEST_POLL_MS = 250;

/**
 * Returns the time that is reserved for our own timers between the last answer window and the end
 * of the budget. With 15,000 connections and outages, one of a hundred verdicts due at the end came
 * 50 to 110 ms late (bench/soak).
 */
export function ownLatenessMs(budgetMs: number): number {
  return Math.min(LARGEST_OWN_LATENESS_MS, Math.max(SMALLEST_OWN_LATENESS_MS, 0.015 * budgetMs));
}

/**
 * Kernel timers fire up to 1/8 late, and the standing keepalive re-arms in steps of at most its
 * interval: measured 20-64 ms on 6.18.
 */
export const KEEPALIVE_LATENESS_MS = 70;
const SMALLEST_OWN_LATENESS_MS = 30;
const LARGEST_OWN_LATENESS_MS = 150;
