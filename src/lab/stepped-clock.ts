/**
 * The wall clock of the watched program, which can be set. Only `Date.now` is changed, so that no
 * other program of the machine sees it. Loaded before every file that may keep `Date.now` for
 * itself.
 */
const realNow: () => number = Date.now;
let aheadMs = 0;
Date.now = () => realNow() + aheadMs;

/** Sets the wall clock forward. */
export function stepClock(ms: number): void {
  aheadMs += ms;
}
