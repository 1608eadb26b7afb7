/**
 * Returns keepalive timers for a budget where the OS's keepalive is the only evidence of the host.
 * A budget too short for what the OS accepts yields the shortest timers that the OS has. Then
 * {@link detectionOf} is longer than the budget. `surviveOutageMs`: the longest outage that must
 * not end the connection; more than the usual half of the budget is for the probes then, if needed.
 */
export function keepaliveAlone(
  budgetMs: number,
  means: KeepaliveMeans,
  surviveOutageMs = 0,
): KeepaliveAlone {
  const usual = keepaliveFor(budgetMs, means);
  if (surviveOutageMs <= survivedBy(usual)) return usual;

  const { fixedCount, stepMs } = means;
  const count = fixedCount ?? LARGEST_COUNT;
  const leastMs = Math.max(stepMs, SMALLEST_INTERVAL_MS);
  const intervalMs = Math.max(leastMs, Math.ceil(surviveOutageMs / (count - 1) / stepMs) * stepMs);
  const needed = fixedCount ?? Math.ceil(surviveOutageMs / intervalMs) + 1;
  const budget = Math.floor((budgetMs - LATENESS_MS) / stepMs) * stepMs;
  return { idleMs: Math.max(stepMs, budget - needed * intervalMs), intervalMs, count: needed };
}

/** Returns the longest outage that these timers survive: it began with the first probe. */
export function survivedBy({ intervalMs, count }: KeepaliveAlone): number {
  return (count - 1) * intervalMs;
}

/** Returns the longest outage, in ms, that timers within the budget can survive. */
export function longestSurvived(budgetMs: number, means: KeepaliveMeans): number {
  const { fixedCount, stepMs } = means;
  const restMs = budgetMs - LATENESS_MS - Math.max(stepMs, SMALLEST_INTERVAL_MS);
  const counts = fixedCount === null ? LARGEST_COUNT - 1 : 1;
  const intervals = Array.from({ length: counts }, (_, i) => {
    const count = fixedCount ?? i + 2;
    return { count, intervalMs: Math.floor(restMs / count / stepMs) * stepMs, idleMs: stepMs };
  });
  return Math.max(...intervals.map(survivedBy));
}

function keepaliveFor(budgetMs: number, { fixedCount, stepMs }: KeepaliveMeans): KeepaliveAlone {
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
