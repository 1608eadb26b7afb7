import { checkDuration, checkRange } from "./check-range.ts";
import { log10NormalTail, normalTailQuantile } from "./normal-tail.ts";

/**
 * The law of the delay of a heartbeat that is not lost. Pure: `quantile` of a random number draws a
 * sample.
 */
export interface DelayLaw {
  readonly meanMs: number;
  /** In ms squared. */
  readonly variance: number;
  /** Probability that the delay exceeds `ms`. */
  tail(ms: number): number;
  /** The delay that a share `p` of the heartbeats, 0 <= p < 1, does not exceed. */
  quantile(p: number): number;
}

/** Every heartbeat takes `ms`. */
export function constantDelay(ms: number): DelayLaw {
  checkRange("ms", ms, 0, 31_557_600_000);
  return { meanMs: ms, variance: 0, tail: (x) => (x < ms ? 1 : 0), quantile: () => ms };
}

export function uniformDelay(leastMs: number, mostMs: number): DelayLaw {
  checkRange("leastMs", leastMs, 0, mostMs);
  const width = checkDuration("mostMs - leastMs", mostMs - leastMs);
  return {
    meanMs: (leastMs + mostMs) / 2,
    variance: width ** 2 / 12,
    tail: (x) => Math.min(1, Math.max(0, (mostMs - x) / width)),
    quantile: (p) => leastMs + p * width,
  };
}

/** A base, the smallest delay, and an exponential tail with this mean. */
export function exponentialDelay(baseMs: number, tailMeanMs: number): DelayLaw {
  checkRange("baseMs", baseMs, 0, 31_557_600_000);
  checkDuration("tailMeanMs", tailMeanMs);
  return {
    meanMs: baseMs + tailMeanMs,
    variance: tailMeanMs ** 2,
    tail: (x) => (x <= baseMs ? 1 : Math.exp((baseMs - x) / tailMeanMs)),
    quantile: (p) => baseMs - tailMeanMs * Math.log1p(-p),
  };
}

/**
 * A base, and a log-normal tail with this median and this standard deviation of its logarithm. Like
 * the queues on a WAN.
 */
export function lognormalDelay(baseMs: number, medianMs: number, sigma: number): DelayLaw {
  checkRange("baseMs", baseMs, 0, 31_557_600_000);
  checkDuration("medianMs", medianMs);
  checkRange("sigma", sigma, 1e-6, 10);
  const growth = Math.exp(sigma ** 2);
  return {
    meanMs: baseMs + medianMs * Math.sqrt(growth),
    variance: medianMs ** 2 * growth * (growth - 1),
    tail: (x) =>
      x <= baseMs ? 1 : 10 ** log10NormalTail(Math.log((x - baseMs) / medianMs) / sigma),
    quantile: (p) => baseMs + (p <= 0 ? 0 : medianMs * Math.exp(sigma * normalQuantile(p))),
  };
}

/**
 * A base, and a Pareto tail P(D - base > x) = (scale / (scale + x))^shape. The shape must exceed 2:
 * otherwise the variance is infinite.
 */
export function paretoDelay(baseMs: number, scaleMs: number, shape: number): DelayLaw {
  checkRange("baseMs", baseMs, 0, 31_557_600_000);
  checkDuration("scaleMs", scaleMs);
  checkRange("shape", shape, 2.01, 1000);
  return {
    meanMs: baseMs + scaleMs / (shape - 1),
    variance: (scaleMs ** 2 * shape) / ((shape - 1) ** 2 * (shape - 2)),
    tail: (x) => (x <= baseMs ? 1 : (scaleMs / (scaleMs + x - baseMs)) ** shape),
    quantile: (p) => baseMs + scaleMs * ((1 - p) ** (-1 / shape) - 1),
  };
}

const STEPS = 4096;
/**
 * Standard normal quantiles on a grid, because a simulation draws millions. Near its ends the curve
 * is steep: there the quantiles are computed.
 */
const normalGrid: Float64Array = Float64Array.from({ length: STEPS + 1 }, (_, i) =>
  i === 0 || i === STEPS ? 0 : -normalTailQuantile(Math.log10(i / STEPS)),
);

function normalQuantile(p: number): number {
  const at = p * STEPS;
  const cell = Math.floor(at);
  if (cell < 32) return -normalTailQuantile(Math.log10(p));
  if (cell >= STEPS - 32) return normalTailQuantile(Math.log10(1 - p));
  const low = normalGrid[cell] as number;
  return low + (at - cell) * ((normalGrid[cell + 1] as number) - low);
}
