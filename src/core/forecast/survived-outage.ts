import type { PredictSettings, SurvivedOutages, Timers } from "./prediction.ts";
import { timerLatenessMs } from "./timer-lateness.ts";

/**
 * Foretells the longest outage, in ms, that ends no connection to a live peer under given settings:
 * something must leave after it, and be answered, before the settings give up. Linux's rules.
 */
export function survivedOutages(
  timers: Timers,
  heartbeat: PredictSettings["heartbeat"],
): SurvivedOutages {
  const beatMs = heartbeat ? survivedByBeat(heartbeat.timeoutMs, timers) : null;
  return {
    idleMs: lesser(survivedIdle(timers), beatMs),
    inFlightMs: lesser(survivedInFlight(timers), beatMs),
  };
}

/**
 * The outage begins just before the first probe. With a user timeout the count is ignored, and the
 * first tick beyond the timeout ends the connection.
 */
function survivedIdle({ keepalive, userTimeoutMs }: Timers): number | null {
  if (!keepalive) return null;
  const { idleMs, intervalMs, count } = keepalive;
  if (userTimeoutMs === 0) return (count - 1) * intervalMs;

  const routineMs = Math.max(idleMs, intervalMs);
  const lateMs = timerLatenessMs(routineMs) + count * timerLatenessMs(intervalMs);
  const probes = Math.ceil((userTimeoutMs - lateMs - routineMs) / intervalMs);
  return Math.max(0, probes - 1) * intervalMs;
}

/**
 * The last timeout before a user timeout is at most half of it. Without one, the last transmission
 * leaves before the timeout that exceeds the kernel's patience.
 */
function survivedInFlight({ userTimeoutMs, rtoMs, rtoMaxMs, system }: Timers): number {
  if (userTimeoutMs > 0) return Math.floor(userTimeoutMs / 2);

  let lastMs = 0;
  for (let i = 0; i < system.retries2; i++) lastMs += Math.min(rtoMs * 2 ** i, rtoMaxMs);
  return lastMs;
}

/** TCP repeats a ping, or its answer, as long after an outage as the outage lasted. */
function survivedByBeat(timeoutMs: number, { rttMs }: Timers): number {
  return Math.max(0, Math.floor((timeoutMs - rttMs) / (2 + LATE_SHARE)));
}

/** Kernel timers fire up to an eighth late. */
const LATE_SHARE = 0.125;

function lesser(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.min(a, b);
}
