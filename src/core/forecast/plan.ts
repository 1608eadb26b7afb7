import { LARGEST_BUDGET_MS } from "../judge/probe-plan.ts";
import { isQuickBudget } from "../judge/quick-terms.ts";
import { type Demand, demandOf, PLATFORMS } from "./demand.ts";
import { isPossibleForWatch, obstacle, outlasts } from "./obstacle.ts";
import { foretell, planFor } from "./platform-plan.ts";
import type { Platform } from "./prediction.ts";
import { quickPlan } from "./quick-plan.ts";
import type { Plan, PlannedWatch, PlatformPlan, Requirement } from "./requirement.ts";

/**
 * Chooses settings that find a dead peer in time and give up no more live peers than allowed, with
 * the least traffic. When that is impossible, names the bound that forbids it and the nearest
 * requirement that is possible.
 *
 * @throws HalfOpenError `ERR_OPTION_RANGE`
 */
export function plan(requirement: Requirement): Plan {
  const demand = demandOf(requirement);
  const perPlatform = Object.fromEntries(
    PLATFORMS.map((platform) => [platform, planFor(platform, demand)]),
  ) as Record<Platform, PlatformPlan>;
  const chosen = perPlatform[demand.platform];
  const { keepalive, userTimeoutMs, heartbeat } = chosen;

  const feasible = keepalive !== null;
  const packets = keepalive
    ? (2 * demand.connections * 1000) / Math.max(keepalive.idleMs, keepalive.intervalMs)
    : null;

  return {
    feasible,
    forbiddenBy: feasible ? null : obstacle(demand),
    nearestDetectWithinMs: feasible ? null : nearest(demand),
    keepalive,
    userTimeoutMs,
    heartbeat,
    watch: watchFor(demand, feasible),
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

/** A bare acknowledgment with timestamps on IPv4 over Ethernet. */
const PACKET_BYTES = 66;

function watchFor(demand: Demand, isKeptByKeepalive: boolean): PlannedWatch | null {
  const { detectWithinMs, surviveOutageMs } = demand;
  if (isQuickBudget(detectWithinMs)) return quickPlan(demand);
  if (!(isKeptByKeepalive && outlasts(demand)) && !isPossibleForWatch(demand)) return null;
  const budget = { detectWithinMs: Math.floor(detectWithinMs) };
  return surviveOutageMs > 0 ? { ...budget, surviveOutageMs } : budget;
}

/** Returns the smallest budget, in steps of a tenth, that the same demand allows. */
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
