import { checkDuration, checkRange } from "./check-range.ts";
import type { DelayLaw } from "./delay-law.ts";
import { LossChain, type LossLaw } from "./loss-law.ts";
import { silenceProbability } from "./silence-probability.ts";

export interface ChenQosInput {
  readonly intervalMs: number;
  /**
   * Shift delta of NFD-S in ms; for NFD-U and a well-fed NFD-E the mean delay plus their margin.
   */
  readonly shiftMs: number;
  readonly delay: DelayLaw;
  readonly loss: LossLaw;
}

/** Times in ms; `Infinity` if mistakes never happen. */
export interface ChenQos {
  /** The supremum of T_D: the detection time comes arbitrarily close to this bound. */
  readonly detectionBoundMs: number;
  /** p_s: probability that a mistake begins at a freshness point. */
  readonly mistakeProbability: number;
  /** E(T_MR) */
  readonly meanBetweenMistakesMs: number;
  readonly mistakesPerHour: number;
  /** E(T_M) */
  readonly meanMistakeMs: number;
  /** P_A, 0 to 1. */
  readonly queryAccuracy: number;
}

/**
 * Pieces of the integration; even, for Simpson's rule. u(x) is smooth except for the jumps of
 * constant delays, which 1000 pieces still hold to 0.1 %.
 */
const PIECES = 1000;

/**
 * Computes the exact quality of NFD-S (Chen et al. 2002, theorem 5) for independent delays. Losses
 * may come in bursts: the paper's product then becomes a chain of two states.
 */
export function chenQos(input: ChenQosInput): ChenQos {
  const intervalMs = checkDuration("intervalMs", input.intervalMs);
  const shiftMs = checkRange("shiftMs", input.shiftMs, 0, 31_557_600_000);
  const { delay } = input;
  const chain = new LossChain(input.loss);
  const last = Math.ceil(shiftMs / intervalMs);

  // The freshness point of heartbeat 0 is at `shiftMs`. At x after the point, the peer is suspected
  // if heartbeat 0 and all later ones are missing.
  const missingAt = (x: number) =>
    Array.from({ length: last + 1 }, (_, j) => ({
      atMs: j * intervalMs,
      lateness: delay.tail(shiftMs + x - j * intervalMs),
    }));
  const suspectedAt = (x: number): number => silenceProbability(chain, missingAt(x));
  const before = { atMs: -intervalMs, lateness: delay.tail(shiftMs + intervalMs) };

  const mistakeProbability = silenceProbability(chain, missingAt(0), before);
  const suspectedMs = integrate(suspectedAt, intervalMs);
  const meanBetweenMistakesMs =
    mistakeProbability > 0 ? intervalMs / mistakeProbability : Number.POSITIVE_INFINITY;

  return {
    detectionBoundMs: shiftMs + intervalMs,
    mistakeProbability,
    meanBetweenMistakesMs,
    mistakesPerHour: (mistakeProbability * 3_600_000) / intervalMs,
    meanMistakeMs: mistakeProbability > 0 ? suspectedMs / mistakeProbability : 0,
    queryAccuracy: 1 - suspectedMs / intervalMs,
  };
}

export interface FixedTimeoutQosInput {
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly delay: DelayLaw;
  readonly loss: LossLaw;
}

/**
 * Computes the mistakes an hour of a fixed timeout. Its clock starts when a heartbeat arrives, so
 * the result is the mean over that heartbeat's delay. Exact as long as heartbeats do not overtake
 * one another.
 */
export function fixedTimeoutMistakesPerHour(input: FixedTimeoutQosInput): number {
  const intervalMs = checkDuration("intervalMs", input.intervalMs);
  const timeoutMs = checkDuration("timeoutMs", input.timeoutMs);
  const { delay } = input;
  const chain = new LossChain(input.loss);

  const pieces = 400;
  let probability = 0;
  for (let piece = 0; piece < pieces; piece++) {
    const suspectedMs = delay.quantile((piece + 0.5) / pieces) + timeoutMs;
    const missing = [];
    for (let atMs = intervalMs; atMs <= suspectedMs; atMs += intervalMs)
      missing.push({ atMs, lateness: delay.tail(suspectedMs - atMs) });
    probability += silenceProbability(chain, missing, { atMs: 0, lateness: 0 }) / pieces;
  }
  return (probability * 3_600_000) / intervalMs;
}

/**
 * Composite Simpson over [0, end). The end itself belongs to the next interval, so f is evaluated a
 * hair before it.
 */
function integrate(f: (x: number) => number, end: number): number {
  const step = end / PIECES;
  let sum = f(0) + f(end * (1 - 1e-12));
  for (let i = 1; i < PIECES; i++) sum += f(i * step) * (i % 2 === 1 ? 4 : 2);
  return (sum * step) / 3;
}
