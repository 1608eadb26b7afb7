/**
 * Returns keepalive timers for a budget where the OS's keepalive is the only evidence of the host.
 * A budget too short for what the OS accepts yields the shortest timers that the OS has. Then
 * {@link detectionOf} is longer than the budget.
 */
export function keepaliveAlone(
  budgetMs: number,
  { fixedCount, stepMs }: KeepaliveMeans,
): KeepaliveAlone {
  const budget = Math.floor((budgetMs - LATENESS_MS) / stepMs) * stepMs;
  const count =
    fixedCount ??
    Math.max(
      2,
      Math.min(
        LARGEST_COUNT,
        Math.floor((budget * PROBING_SHARE) / Math.max(stepMs, SMALLEST_INTERVAL_MS)),
      ),
    );

  // Rounded up, so that the probes last no less than their share, unless no step would be left for
  // the idle time.
  const wanted = Math.ceil((budget * PROBING_SHARE) / count / stepMs) * stepMs;
  const share = count * wanted + stepMs <= budget ? wanted : wanted - stepMs;

  const intervalMs = Math.max(stepMs, SMALLEST_INTERVAL_MS, share);
  return { idleMs: Math.max(stepMs, budget - count * intervalMs), intervalMs, count };
}

/** Returns how long after the last evidence the OS ends a dead connection. */
export function detectionOf({ idleMs, intervalMs, count }: KeepaliveAlone): number {
  return idleMs + intervalMs * count;
}

/** What the keepalive of an OS accepts for one connection. */
export interface KeepaliveMeans {
  /** The number of probes where nobody can choose it (Windows: 10). */
  readonly fixedCount: number | null;
  /** Times are multiples of this, in ms. */
  readonly stepMs: number;
}

export interface KeepaliveAlone {
  readonly idleMs: number;
  readonly intervalMs: number;
  readonly count: number;
}

/**
 * How late the timers of these systems may be: 500 ms ticks on the BSDs, a round trip and a tick on
 * Windows.
 */
const LATENESS_MS = 200;
const SMALLEST_INTERVAL_MS = 100;

/** Half the budget is for the probes, so an outage shorter than 0.4 budgets ends no connection. */
const PROBING_SHARE = 0.5;
const LARGEST_COUNT = 10;
