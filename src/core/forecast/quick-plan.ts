import { leastSilenceMs } from "../detectors/silence-bound.ts";
import { BEAT_MS, outageOf, quickTerms, quickWithinMs } from "../judge/quick-terms.ts";
import { baseRtoMs } from "../judge/retransmission-times.ts";
import type { Demand } from "./demand.ts";
import { roundTrips, YEAR_MS } from "./false-alarms.ts";
import type { PlannedHeartbeat, PlannedWatch } from "./requirement.ts";

/**
 * Returns the options for a `watch` whose budget is too short for keepalive, with the heartbeat
 * that it takes; `null` where path, loss or outage forbid it.
 */
export function quickPlan(demand: Demand): PlannedWatch | null {
  const { detectWithinMs, surviveOutageMs, rttMs, jitterMs, platform } = demand;
  if (platform !== "linux") return null;
  const outageMs = outageOf(detectWithinMs, surviveOutageMs > 0 ? surviveOutageMs : null);
  const rtoMs = baseRtoMs(rttMs, jitterMs);
  const terms = quickTerms(detectWithinMs, outageMs, { rttMs: rttMs + 4 * jitterMs, rtoMs });
  if (quickWithinMs(terms) > detectWithinMs) return null;

  // Until the kernel's first timeout a heartbeat leaves each beat.
  const attempts = 1 + Math.floor((rtoMs - terms.windowMs) / BEAT_MS);
  if (!isRareEnough(demand, attempts, terms.quietMs)) return null;
  return {
    detectWithinMs: Math.floor(detectWithinMs),
    ...(surviveOutageMs > 0 && { surviveOutageMs }),
    heartbeat: heartbeatOf(demand, terms.quietMs),
  };
}

/** Returns whether silences that kill all attempts, or bursts as long, are as rare as demanded. */
function isRareEnough(
  { loss, connections, falseAlarmsPerYear, detectWithinMs }: Demand,
  attempts: number,
  quietMs: number,
): boolean {
  const accepted = Math.min(1, (falseAlarmsPerYear * quietMs) / (YEAR_MS * connections));
  const trip = roundTrips(loss);
  if (typeof trip !== "number") return leastSilenceMs(accepted, trip) <= detectWithinMs - quietMs;
  return trip ** attempts <= accepted;
}

function heartbeatOf({ connections, rttMs }: Demand, quietMs: number): PlannedHeartbeat {
  const perSecond = (1000 * connections) / (quietMs + rttMs);
  return {
    afterMs: quietMs,
    packetsPerSecond: PACKETS * perSecond,
    bytesPerSecond: BYTES * perSecond,
    processorShare: PROCESSOR_US * 1e-6 * perSecond,
  };
}

/** The heartbeat, its answer, and the acknowledgment of that. */
const PACKETS = 3;
/** Three headers with timestamps on IPv4 over Ethernet, and a few bytes of data twice. */
const BYTES = 3 * 66 + 2 * 8;
/** What halfopen takes for one; the program's own writing and reading come on top (bench/quick). */
const PROCESSOR_US = 25;
