import { leastAttempts, leastSilenceMs } from "../detectors/silence-bound.ts";
import { HalfOpenError } from "../errors.ts";
import { LARGEST_BUDGET_MS, PROBE_SPACING_MS, SMALLEST_BUDGET_MS } from "../judge/probe-plan.ts";
import { keepaliveFalseAlarmsPerYear, roundTrips } from "./false-alarms.ts";
import { predict } from "./predict.ts";
import type { Platform, Prediction } from "./prediction.ts";
import type { KeepaliveTimers, Plan, PlatformPlan, Requirement } from "./requirement.ts";

const YEAR_MS = 31_557_600_000;
const PLATFORMS: readonly Platform[] = ["linux", "darwin", "freebsd", "win32"];
/**
 * The kernels' keepalive counts whole seconds; Windows' ioctl counts ms, but with a count fixed at
 * 10.
 */
const SECOND_MS = 1000;
const LARGEST_INTERVAL_S = 30;
const LARGEST_COUNT = 30;
const WINDOWS_COUNT = 10;
/** A bare acknowledgment with timestamps on IPv4 over Ethernet. */
const PACKET_BYTES = 66;
const SMALLEST_DEMAND_MS = 1000;

type Demand = Required<Requirement>;

/**
 * Chooses settings that find a dead peer in time and give up no more live ones than allowed, with
 * the least traffic; where that is impossible, says what forbids it and the nearest demand that is
 * possible.
 *
 * @throws HalfOpenError `ERR_OPTION_RANGE`
 */
export function plan(requirement: Requirement): Plan {
  const demand = demandOf(requirement);
  const perPlatform = Object.fromEntries(
    PLATFORMS.map((platform) => [platform, planFor(platform, demand)]),
  ) as Record<Platform, PlatformPlan>;
  const chosen = perPlatform[demand.platform];
  const feasible = chosen.keepalive !== null;
  const packets = chosen.keepalive
    ? (2 * demand.connections * SECOND_MS) /
      Math.max(chosen.keepalive.idleMs, chosen.keepalive.intervalMs)
    : null;
  const { keepalive, userTimeoutMs, heartbeat } = chosen;
  return {
    feasible,
    forbiddenBy: feasible ? null : obstacle(demand),
    nearestDetectWithinMs: feasible ? null : nearest(demand),
    keepalive,
    userTimeoutMs,
    heartbeat,
    watch: feasible || isForWatch(demand) ? watchFor(demand) : null,
    predicted: {
      detection: { idle: chosen.idle, inFlight: chosen.inFlight },
      falseAlarmsPerYear: chosen.falseAlarmsPerYear,
      packetsPerSecond: packets,
      bytesPerSecond: packets === null ? null : packets * PACKET_BYTES,
    },
    perPlatform,
    warnings: warningsOf(demand, chosen),
  };
}

function demandOf(requirement: Requirement): Demand {
  const demand: Demand = {
    rttMs: 1,
    jitterMs: 0,
    loss: 0.01,
    connections: 1,
    falseAlarmsPerYear: 1,
    platform: "linux",
    ...requirement,
  };
  const check = (name: keyof Requirement, smallest: number, largest: number): void => {
    const value = demand[name];
    if (typeof value !== "number" || !(value >= smallest && value <= largest))
      throw new HalfOpenError(
        "ERR_OPTION_RANGE",
        `${name} must be a number from ${smallest} to ${largest}, got ${String(value)}`,
      );
  };
  check("detectWithinMs", SMALLEST_DEMAND_MS, LARGEST_BUDGET_MS);
  check("rttMs", 0, 60_000);
  check("jitterMs", 0, 60_000);
  check("connections", 1, 1e9);
  check("falseAlarmsPerYear", 1e-12, 1e12);
  if (!PLATFORMS.includes(demand.platform))
    throw new HalfOpenError(
      "ERR_OPTION_RANGE",
      `platform must be ${PLATFORMS.join(", ")}, got ${String(demand.platform)}`,
    );
  if (typeof demand.loss === "number" && !(demand.loss >= 0 && demand.loss < 1))
    throw new HalfOpenError(
      "ERR_OPTION_RANGE",
      `loss must be a share from 0 to below 1 (1 % is 0.01), got ${String(demand.loss)}`,
    );
  return demand;
}

/** Of all settings that keep both promises, those with the longest idle time: the least traffic. */
function planFor(platform: Platform, demand: Demand): PlatformPlan {
  const { loss, connections, falseAlarmsPerYear } = demand;
  const longest = longestUserTimeout(platform, demand);
  let best: PlatformPlan | null = null;
  for (const timers of candidates(platform, demand)) {
    if (best?.keepalive && timers.idleMs < best.keepalive.idleMs) continue;
    const userTimeoutMs = platform === "linux" ? userTimeoutBeside(timers, longest) : longest;
    if (platform === "linux" && longest !== null && userTimeoutMs === null) continue;
    const foretold = foretell(platform, demand, timers, userTimeoutMs);
    if (!foretold.idle || foretold.idle.worstMs > demand.detectWithinMs) continue;
    const alarms = keepaliveFalseAlarmsPerYear(timers, loss, connections);
    if (alarms > falseAlarmsPerYear) continue;
    if (
      best?.keepalive &&
      timers.idleMs === best.keepalive.idleMs &&
      alarms >= (best.falseAlarmsPerYear ?? 0)
    )
      continue;
    const inFlight =
      foretold.inFlight && foretold.inFlight.worstMs <= demand.detectWithinMs
        ? foretold.inFlight
        : null;
    const heartbeat = inFlight ? null : heartbeatFor(demand);
    best = {
      keepalive: timers,
      userTimeoutMs,
      heartbeat,
      idle: foretold.idle,
      inFlight: inFlight ?? foretold.inFlight,
      falseAlarmsPerYear: alarms,
    };
  }
  return (
    best ?? {
      keepalive: null,
      userTimeoutMs: null,
      heartbeat: null,
      idle: null,
      inFlight: null,
      falseAlarmsPerYear: null,
    }
  );
}

function* candidates(platform: Platform, { detectWithinMs }: Demand): Generator<KeepaliveTimers> {
  const counts =
    platform === "win32" ? [WINDOWS_COUNT] : Array.from({ length: LARGEST_COUNT }, (_, i) => i + 1);
  for (const count of counts) {
    for (let interval = 1; interval <= LARGEST_INTERVAL_S; interval++) {
      const longest = Math.floor(detectWithinMs / SECOND_MS) - count * interval;
      // The kernel's lateness takes a second or two of it at most; from there downwards the first
      // that fits is the longest.
      for (let idle = longest; idle >= Math.max(1, longest - Math.ceil(longest / 8) - 2); idle--)
        yield { idleMs: idle * SECOND_MS, intervalMs: interval * SECOND_MS, count };
    }
  }
}

function foretell(
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
 * Where a user timeout is set Linux ignores the count and ends the connection at the first probe
 * tick after it: so it must lie between the last two ticks. `null` where the longest that data in
 * flight allows is shorter.
 */
function userTimeoutBeside(
  { idleMs, intervalMs, count }: KeepaliveTimers,
  longest: number | null,
): number | null {
  if (longest === null || longest <= idleMs + (count - 1) * intervalMs) return null;
  return Math.min(longest, idleMs + count * intervalMs);
}

/**
 * The longest user timeout that still finds data in flight in time, in tenths of a second; `null`
 * where even the shortest does not.
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
 * TCP repeats a lost ping by itself, so the timeout must leave room for that: two thirds of the
 * budget.
 */
function heartbeatFor({ detectWithinMs }: Demand): { intervalMs: number; timeoutMs: number } {
  const intervalMs = Math.floor(detectWithinMs / 3);
  return { intervalMs, timeoutMs: Math.floor(detectWithinMs) - intervalMs };
}

/**
 * The bound that forbids it: what no detector can undercut, else what the kernel's whole seconds
 * cost.
 */
function obstacle(demand: Demand): string {
  const { loss, connections, falseAlarmsPerYear, detectWithinMs, platform } = demand;
  const trip = roundTrips(loss);
  const accepted = acceptedSilence(demand);
  const promise = `${falseAlarmsPerYear} false alarms a year on ${connections} connections`;
  if (typeof trip !== "number") {
    const leastMs = Math.round(leastSilenceMs(accepted, trip));
    if (leastMs > detectWithinMs)
      return `bursts of ${trip.meanBurstMs} ms silence a live peer for ${leastMs} ms more often than ${promise} allow: no detector can tell sooner (docs/internals/bounds.md#bursts)`;
  } else {
    const attempts = leastAttempts(accepted, trip);
    const leastMs = SECOND_MS * (1 + attempts);
    if (leastMs > detectWithinMs)
      return `${(100 * trip).toFixed(2)} % of round trips lost need ${attempts} unanswered probes for ${promise}: at one a second, and one second of silence before the first, ${leastMs} ms`;
  }
  return `the keepalive of ${platform} counts whole seconds${platform === "win32" ? ` and ${WINDOWS_COUNT} probes` : ""}, and its timers may be late: ${detectWithinMs} ms is not enough for ${promise}`;
}

function watchFor({ detectWithinMs }: Demand): { detectWithinMs: number } | null {
  return detectWithinMs >= SMALLEST_BUDGET_MS
    ? { detectWithinMs: Math.floor(detectWithinMs) }
    : null;
}

/**
 * Whether it is only the kernel's keepalive that cannot do it: no bound on all detectors forbids
 * it, and enough nudges fit.
 */
function isForWatch(demand: Demand): boolean {
  const trip = roundTrips(demand.loss);
  const accepted = acceptedSilence(demand);
  if (typeof trip !== "number") return leastSilenceMs(accepted, trip) <= demand.detectWithinMs;
  const attempts = leastAttempts(accepted, trip);
  return (
    SECOND_MS + (attempts - 1) * PROBE_SPACING_MS + demand.rttMs + 4 * demand.jitterMs <=
    demand.detectWithinMs
  );
}

/**
 * The probability of a silence that may be taken for death: one such silence a second would already
 * be too many.
 */
function acceptedSilence({ falseAlarmsPerYear, connections }: Demand): number {
  return Math.min(1, (falseAlarmsPerYear * SECOND_MS) / (YEAR_MS * connections));
}

/** The smallest budget, in steps of a tenth, that the same demand allows. */
function nearest(demand: Demand): number | null {
  for (
    let ms = demand.detectWithinMs;
    ms <= LARGEST_BUDGET_MS;
    ms = Math.ceil((ms * 1.1) / 100) * 100
  )
    if (planFor(demand.platform, { ...demand, detectWithinMs: ms }).keepalive) return ms;
  return null;
}

function warningsOf(demand: Demand, chosen: PlatformPlan): string[] {
  if (!chosen.keepalive) return [];
  const { keepalive, userTimeoutMs } = chosen;
  const { warnings } = foretell(demand.platform, demand, keepalive, userTimeoutMs);
  const heartbeat = chosen.heartbeat
    ? ["data in flight cannot be bounded in time by this kernel: use the heartbeat, or watch"]
    : [];
  return [...warnings, ...heartbeat];
}
