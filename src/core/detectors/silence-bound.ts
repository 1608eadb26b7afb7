import { checkDuration, checkRange } from "./check-range.ts";
import type { DelayLaw } from "./delay-law.ts";
import type { GilbertElliott, LossLaw } from "./loss-law.ts";
import { silenceProbability } from "./silence-probability.ts";

// Bounds that hold for every detector. A dead peer is silent for certain, and a live peer's silence
// shows a detector the same. So a detector that declares death by t errs at least as often as live
// peers are silent for t (docs/internals/bounds.md#lower-bound).

/**
 * Returns the least number of unanswered attempts that independent losses explain with a
 * probability of at most `accepted`.
 */
export function leastAttempts(accepted: number, lossRatio: number): number {
  checkRange("accepted", accepted, 1e-300, 1);
  checkRange("lossRatio", lossRatio, 0, 1);
  if (lossRatio === 0) return 1;

  // ln(1e-6)/ln(0.1) is 6.000000000000001 in doubles
  return lossRatio === 1
    ? Number.POSITIVE_INFINITY
    : Math.max(1, Math.ceil(Math.log(accepted) / Math.log(lossRatio) - 1e-9));
}

/**
 * Returns the shortest silence in ms that can count as death. Bursts in which everything is lost
 * explain a shorter silence with a probability of more than `accepted`. No number of attempts
 * shortens the bound.
 */
export function leastSilenceMs(accepted: number, loss: GilbertElliott): number {
  checkRange("accepted", accepted, 1e-300, 1);
  checkDuration("meanBurstMs", loss.meanBurstMs);
  return (
    loss.meanBurstMs *
    Math.max(0, Math.log(checkRange("burstShare", loss.burstShare, 0, 1) / accepted))
  );
}

export interface MistakeBoundInput {
  /** Time in ms after the peer's last heartbeat was sent by which it is to be suspected. */
  readonly detectWithinMs: number;
  readonly intervalMs: number;
  readonly delay: DelayLaw;
  readonly loss: LossLaw;
}

/**
 * Returns the fewest mistakes an hour of any detector that gets one heartbeat every interval. NFD-S
 * reaches this bound with synchronised clocks.
 */
export function leastMistakesPerHour(input: MistakeBoundInput): number {
  const { detectWithinMs, delay } = input;
  const intervalMs = checkDuration("intervalMs", input.intervalMs);
  checkDuration("detectWithinMs", detectWithinMs);

  const missing = [];
  for (let atMs = intervalMs; atMs <= detectWithinMs; atMs += intervalMs)
    missing.push({ atMs, lateness: delay.tail(detectWithinMs - atMs) });

  const probability = silenceProbability(input.loss, missing, {
    atMs: 0,
    lateness: delay.tail(detectWithinMs),
  });
  return (probability * 3_600_000) / intervalMs;
}
