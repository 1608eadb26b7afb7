import { leastAttempts, leastSilenceMs } from "../detectors/silence-bound.ts";
import { longestOutage } from "../judge/outage-bound.ts";
import { PROBE_SPACING_MS } from "../judge/probe-plan.ts";
import type { Demand } from "./demand.ts";
import { roundTrips, YEAR_MS } from "./false-alarms.ts";
import { planFor, WINDOWS_COUNT } from "./platform-plan.ts";

const SECOND_MS = 1000;

/**
 * Names the bound that forbids an infeasible demand: the bound on all detectors, if that forbids
 * it; otherwise the cost of the kernel's whole seconds.
 */
export function obstacle(demand: Demand): string {
  const { loss, connections, falseAlarmsPerYear, detectWithinMs, platform } = demand;
  const trip = roundTrips(loss);
  const accepted = acceptedSilence(demand);
  const promise = `${falseAlarmsPerYear} false alarms a year on ${connections} connections`;

  if (typeof trip !== "number") {
    const leastMs = Math.round(leastSilenceMs(accepted, trip));
    if (leastMs > detectWithinMs)
      return `bursts of ${trip.meanBurstMs} ms silence a live peer for ${leastMs} ms more often than ${promise} allow: no detector can decide sooner (docs/internals/bounds.md#bursts)`;
  } else {
    const attempts = leastAttempts(accepted, trip);
    const leastMs = SECOND_MS * (1 + attempts);
    if (leastMs > detectWithinMs)
      return `${(100 * trip).toFixed(2)} % of round trips lost need ${attempts} unanswered probes for ${promise}: at one a second, and one second of silence before the first, ${leastMs} ms`;
  }

  const { surviveOutageMs } = demand;
  if (surviveOutageMs > 0 && planFor(platform, { ...demand, surviveOutageMs: 0 }).keepalive)
    return `an outage of ${surviveOutageMs} ms must be over before the last probe, or the last repetition, whose answer ${detectWithinMs} ms leave time for (docs/internals/bounds.md#two-numbers)`;

  return `the keepalive of ${platform} counts whole seconds${platform === "win32" ? ` and ${WINDOWS_COUNT} probes` : ""}, and its timers may be late: ${detectWithinMs} ms is not enough for ${promise}`;
}

/**
 * Returns whether `watch` can keep a demand that the kernel's keepalive cannot keep: no bound on
 * all detectors forbids the demand, and enough nudges fit.
 */
export function isPossibleForWatch(demand: Demand): boolean {
  if (!outlasts(demand)) return false;
  const trip = roundTrips(demand.loss);
  const accepted = acceptedSilence(demand);
  if (typeof trip !== "number") return leastSilenceMs(accepted, trip) <= demand.detectWithinMs;

  const attempts = leastAttempts(accepted, trip);
  return (
    SECOND_MS + (attempts - 1) * PROBE_SPACING_MS + demand.rttMs + 4 * demand.jitterMs <=
    demand.detectWithinMs
  );
}

/** Returns whether `watch` can keep the outage too, on a kernel with TCP_RTO_MAX_MS. */
export function outlasts({ detectWithinMs, surviveOutageMs }: Demand): boolean {
  return surviveOutageMs <= longestOutage(detectWithinMs, { hasRtoCap: true }).longestMs;
}

/**
 * Returns the largest probability of a live peer's silence that may count as death. One such
 * silence a second would already be too many.
 */
function acceptedSilence({ falseAlarmsPerYear, connections }: Demand): number {
  return Math.min(1, (falseAlarmsPerYear * SECOND_MS) / (YEAR_MS * connections));
}
