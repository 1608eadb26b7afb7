/** What the keepalive of an OS can be told for one connection. */
export interface KeepaliveMeans {
  /** The number of probes where it cannot be chosen (Windows: 10). */
  readonly fixedCount: number | null;
  /** What times are multiples of, in ms. */
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
/** Half the budget for the probes: an outage shorter than 0.4 budgets ends no connection. */
const PROBING_SHARE = 0.5;
const LARGEST_COUNT = 10;

/**
 * Keepalive timers for a budget where the OS's keepalive is the only evidence of the host. Where
 * the budget is too short for what the OS can be told, the shortest there is: compare {@link
 * detectionOf}.
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
  // Rounded up, so that the probes last no less than their share, as long as a step is left for the
  // idle time.
  const wanted = Math.ceil((budget * PROBING_SHARE) / count / stepMs) * stepMs;
  const share = count * wanted + stepMs <= budget ? wanted : wanted - stepMs;
  const intervalMs = Math.max(stepMs, SMALLEST_INTERVAL_MS, share);
  return { idleMs: Math.max(stepMs, budget - count * intervalMs), intervalMs, count };
}

export function detectionOf({ idleMs, intervalMs, count }: KeepaliveAlone): number {
  return idleMs + intervalMs * count;
}
