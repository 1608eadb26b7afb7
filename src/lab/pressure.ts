import { readFileSync } from "node:fs";

/**
 * Measures, from its making on, how busy the machine is: for which share of the time some program
 * waited for a processor. What is timed meanwhile comes later for that, and not by its own fault.
 */
export class Pressure {
  readonly #from = performance.now();
  readonly #waited = waitedMs();

  /** 0 to 1; 0 too where the kernel does not tell. */
  get share(): number {
    const elapsedMs = performance.now() - this.#from;
    return elapsedMs > 0 ? Math.min(1, (waitedMs() - this.#waited) / elapsedMs) : 0;
  }

  /** How much later than promised something may be seen: more, the busier the machine is. */
  get graceMs(): number {
    return CALM_GRACE_MS + (BUSY_GRACE_MS - CALM_GRACE_MS) * Math.min(1, 2 * this.share);
  }
}

/** For timers, and the two processors of a small machine. */
export const CALM_GRACE_MS = 250;

/** When programs wait for a processor half of the time or more. */
const BUSY_GRACE_MS = 1000;

/** Returns for how long so far some program waited for a processor (Linux 4.20, PSI). */
function waitedMs(): number {
  try {
    const [, total] =
      /^some .* total=(\d+)/m.exec(readFileSync("/proc/pressure/cpu", "utf8")) ?? [];
    return Number(total ?? 0) / 1000;
  } catch {
    return 0;
  }
}
