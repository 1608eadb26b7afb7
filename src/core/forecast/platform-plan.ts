import { returnMs } from "../judge/outage-bound.ts";
import type { Demand } from "./demand.ts";
import { keepaliveFalseAlarmsPerYear } from "./false-alarms.ts";
import { predict } from "./predict.ts";
import type { Platform, Prediction } from "./prediction.ts";
import type { KeepaliveTimers, PlatformPlan } from "./requirement.ts";

/** Windows' ioctl counts ms, but its count is fixed. */
export const WINDOWS_COUNT = 10;
/** The other kernels' keepalive counts whole seconds. */
const SECOND_MS = 1000;
const LARGEST_INTERVAL_S = 30;
const LARGEST_COUNT = 30;
const SMALLEST_PING_MS = 50;

/**
 * Chooses the settings of one platform. Of all settings that keep the demand, those with the
 * longest idle time cause the least traffic.
 */
export function planFor(platform: Platform, demand: Demand): PlatformPlan {
  const longest = longestUserTimeout(platform, demand);
  let best: PlatformPlan = IMPOSSIBLE;
  for (const timers of candidates(platform, demand)) {
    if (best.keepalive && timers.idleMs < best.keepalive.idleMs) continue;
    const next = planWith(platform, demand, timers, longest);
    if (next && isBetter(next, best)) best = next;
  }
  return best;
}

const IMPOSSIBLE: PlatformPlan = {
  keepalive: null,
  userTimeoutMs: null,
  heartbeat: null,
  idle: null,
  inFlight: null,
  falseAlarmsPerYear: null,
};

/** Returns the plan with these timers; `null` when the plan does not keep the demand. */
function planWith(
  platform: Platform,
  demand: Demand,
  timers: KeepaliveTimers,
  longest: number | null,
): PlatformPlan | null {
  const isLinux = platform === "linux";
  const userTimeoutMs = isLinux ? userTimeoutBeside(timers, longest) : longest;
  if (isLinux && longest !== null && userTimeoutMs === null) return null;

  const { idle, inFlight, survivesOutage } = foretell(platform, demand, timers, userTimeoutMs);
  if (!idle || idle.worstMs > demand.detectWithinMs) return null;

  const { loss, connections, surviveOutageMs } = demand;
  // Elsewhere the count decides, as on Linux without a user timeout.
  const idleMs = survivesOutage?.idleMs ?? (timers.count - 1) * timers.intervalMs;
  if (idleMs < surviveOutageMs) return null;
  if (userTimeoutMs !== null && userTimeoutMs / 2 < surviveOutageMs) return null;
  const falseAlarmsPerYear = keepaliveFalseAlarmsPerYear(timers, loss, connections);
  if (falseAlarmsPerYear > demand.falseAlarmsPerYear) return null;

  const isInTime = inFlight !== null && inFlight.worstMs <= demand.detectWithinMs;
  const heartbeat = isInTime ? null : heartbeatFor(demand);
  if (heartbeat && heartbeat.intervalMs < SMALLEST_PING_MS) return null;
  return { keepalive: timers, userTimeoutMs, heartbeat, idle, inFlight, falseAlarmsPerYear };
}

/** A longer idle time is better, then fewer false alarms. */
function isBetter(next: PlatformPlan, best: PlatformPlan): boolean {
  if (!next.keepalive || !best.keepalive) return next.keepalive !== null;
  if (next.keepalive.idleMs !== best.keepalive.idleMs)
    return next.keepalive.idleMs > best.keepalive.idleMs;
  return (next.falseAlarmsPerYear ?? 0) < (best.falseAlarmsPerYear ?? 0);
}

function* candidates(platform: Platform, { detectWithinMs }: Demand): Generator<KeepaliveTimers> {
  const counts =
    platform === "win32" ? [WINDOWS_COUNT] : Array.from({ length: LARGEST_COUNT }, (_, i) => i + 1);

  for (const count of counts) {
    for (let interval = 1; interval <= LARGEST_INTERVAL_S; interval++) {
      const longest = Math.floor(detectWithinMs / SECOND_MS) - count * interval;
      // The kernel's lateness takes an eighth and two seconds at most. From `longest` downwards,
      // the first idle time that fits is the longest
      for (let idle = longest; idle >= Math.max(1, longest - Math.ceil(longest / 8) - 2); idle--)
        yield { idleMs: idle * SECOND_MS, intervalMs: interval * SECOND_MS, count };
    }
  }
}

/** Predicts what a plan's settings do. */
export function foretell(
  platform: Platform,
  demand: Demand,
  keepalive: KeepaliveTimers,
  userTimeoutMs: number | null,
): Prediction {
  const { rttMs, jitterMs } = demand;
  return predict({
    platform,
    keepalive,
    rttMs,
    jitterMs,
    ...(userTimeoutMs === null ? {} : { userTimeoutMs }),
  });
}

/**
 * Returns the user timeout to set beside keepalive on Linux. With a user timeout, Linux ignores the
 * count and ends the connection at the first probe tick after the timeout, so the timeout must lie
 * between the last two ticks. `null` when `longest`, which data in flight allows, is shorter.
 */
function userTimeoutBeside(
  { idleMs, intervalMs, count }: KeepaliveTimers,
  longest: number | null,
): number | null {
  if (longest === null || longest <= idleMs + (count - 1) * intervalMs) return null;
  return Math.min(longest, idleMs + count * intervalMs);
}

/**
 * Returns the longest user timeout that still finds data in flight in time, in tenths of a second;
 * `null` when even the shortest does not.
 */
function longestUserTimeout(
  platform: Platform,
  { detectWithinMs, rttMs, jitterMs }: Demand,
): number | null {
  const step = platform === "darwin" || platform === "freebsd" ? SECOND_MS : 100;
  for (
    let ms = Math.floor(detectWithinMs / step) * step;
    ms >= step;
    ms -= Math.max(step, Math.floor(ms / 200 / step) * step)
  ) {
    const { inFlight } = predict({ platform, userTimeoutMs: ms, rttMs, jitterMs });
    if (inFlight && inFlight.worstMs <= detectWithinMs) return ms;
  }
  return null;
}

/**
 * Returns a heartbeat for data in flight. TCP repeats a lost ping by itself, so the timeout leaves
 * room for that: two thirds of the budget, or what an outage needs.
 */
function heartbeatFor({ detectWithinMs, surviveOutageMs, rttMs }: Demand): {
  intervalMs: number;
  timeoutMs: number;
} {
  const longestMs = detectWithinMs - returnMs(detectWithinMs, surviveOutageMs, false) - rttMs;
  const intervalMs = Math.floor(Math.min(detectWithinMs / 3, longestMs));
  return { intervalMs, timeoutMs: Math.floor(detectWithinMs) - intervalMs };
}
