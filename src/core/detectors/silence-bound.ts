import { checkDuration, checkRange } from "./check-range.ts";
import type { DelayLaw } from "./delay-law.ts";
import type { GilbertElliott, LossLaw } from "./loss-law.ts";
import { silenceProbability } from "./silence-probability.ts";

/**
 * What no detector can undercut. A dead peer makes silence certain; on a live peer's silence the
 * detector sees the same, so who declares death by t errs at least as often as live peers are
 * silent for t (docs/internals/bounds.md#lower-bound).
 */

/**
 * Least number of unanswered attempts that silence needs, so that independent losses explain it
 * with no more than `accepted`.
 */
export function leastAttempts(accepted: number, lossRatio: number): number {
  checkRange("accepted", accepted, 1e-300, 1);
  checkRange("lossRatio", lossRatio, 0, 1);
  if (lossRatio === 0) return 1;
  // ln(1e-6)/ln(0.1) is 6.000000000000001 in doubles.
  return lossRatio === 1
    ? Number.POSITIVE_INFINITY
    : Math.max(1, Math.ceil(Math.log(accepted) / Math.log(lossRatio) - 1e-9));
}

/**
 * Least silence in ms: before it bursts alone, in which everything is lost, explain it with more
 * than `accepted`. No number of attempts shortens it.
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
 * Fewest mistakes an hour of any detector that sees one heartbeat every interval. NFD-S reaches it
 * where clocks are synchronised.
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
