import { LossChain, type LossLaw } from "../detectors/loss-law.ts";
import { silenceProbability } from "../detectors/silence-probability.ts";
import type { KeepaliveTimers } from "./requirement.ts";

export const YEAR_MS = 31_557_600_000;

/**
 * Converts the losses of packets into losses of round trips: a probe is answered when both the
 * probe and its answer arrive. Both fall into the same burst.
 */
export function roundTrips(loss: LossLaw): LossLaw {
  const both = (share: number): number => 1 - (1 - share) ** 2;
  if (typeof loss === "number") return both(loss);
  return {
    ...loss,
    lossInBurst: both(loss.lossInBurst ?? 1),
    lossBetween: both(loss.lossBetween ?? 0),
  };
}

/**
 * Computes how many live idle connections keepalive gives up in a year. Every answered probe starts
 * a cycle, which ends wrongly when the next `count` probes stay unanswered. A connection that is
 * given up is made anew.
 */
export function keepaliveFalseAlarmsPerYear(
  { idleMs, intervalMs, count }: KeepaliveTimers,
  loss: LossLaw,
  connections: number,
): number {
  const chain = new LossChain(roundTrips(loss));
  const cycleMs = Math.max(idleMs, intervalMs);
  const missing = Array.from({ length: count }, (_, i) => ({
    atMs: cycleMs + i * intervalMs,
    lateness: 0,
  }));

  const answered = 1 - chain.meanLoss;
  if (answered <= 0) return Number.POSITIVE_INFINITY;

  // silenceProbability includes that the first probe is answered. In a cycle, the first probe has
  // been answered
  const wrong = silenceProbability(chain, missing, { atMs: 0, lateness: 0 }) / answered;
  return (connections * wrong * YEAR_MS) / cycleMs;
}
