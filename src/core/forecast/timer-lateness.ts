/**
 * Ticks a second that Linux distributions build with. A kernel's own rate cannot be read without
 * privilege.
 */
const TICK_RATES = [100, 250, 1000];
/**
 * Entries of the timer wheel's first level, and the factor between the granularities of its levels
 * (kernel/time/timer.c).
 */
const FIRST_LEVEL = 63;
const LEVEL_FACTOR = 8;

/**
 * Returns by how many ms a timer of the Linux kernel may be late at most. A timer is never early,
 * and is the coarser the farther away it is set. Measured on 6.18 (HZ=250): below 256 ms 4 ms,
 * below 2 s 32 ms, below 16 s 256 ms, below 131 s 2 s.
 */
export function timerLatenessMs(delayMs: number): number {
  return Math.max(...TICK_RATES.map((hz) => granularityMs(delayMs, hz)));
}

function granularityMs(delayMs: number, hz: number): number {
  const ticks = (delayMs * hz) / 1000;
  let granularity = 1;
  for (let limit = FIRST_LEVEL; ticks >= limit; limit *= LEVEL_FACTOR) granularity *= LEVEL_FACTOR;
  return (granularity * 1000) / hz;
}
