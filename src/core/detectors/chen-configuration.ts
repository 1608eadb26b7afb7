import { checkDuration, checkRange } from "./check-range.ts";
import type { DelayLaw } from "./delay-law.ts";

/** The quality that a detector must keep; all in ms. */
export interface ChenRequirement {
  /** T_D^U: longest detection time; for {@link configureNfdU}, counted from the mean delay on. */
  readonly detectWithinMs: number;
  /** T_MR^L: shortest mean time between mistakes. */
  readonly betweenMistakesMs: number;
  /** T_M^U: longest mean time until a mistake is corrected. */
  readonly mistakeMs: number;
}

export interface ChenConfiguration {
  /** Heartbeat interval eta in ms: the largest and cheapest that keeps the requirement. */
  readonly intervalMs: number;
  /** Shift delta of NFD-S, or margin alpha of NFD-U and NFD-E, in ms. */
  readonly shiftMs: number;
}

/** A delay of which only the mean and the variance are known. */
export interface DelayMoments {
  readonly meanMs: number;
  /** In ms squared. */
  readonly variance: number;
}

/**
 * Configures NFD-S by Chen's procedure (Chen et al. 2002, sections 4 to 6; the reprint of May 2002,
 * as the first print has errors). Returns `null` when no interval from a 200th of the detection
 * time on keeps the requirement.
 *
 * @throws HalfOpenError `ERR_OPTION_RANGE`
 */
export function configureNfdS(
  requirement: ChenRequirement,
  lossRatio: number,
  delay: DelayLaw,
): ChenConfiguration | null {
  const { detectWithinMs } = check(requirement, lossRatio);
  const arriving = (1 - lossRatio) * (1 - delay.tail(detectWithinMs));
  const missing = (ms: number): number => lossRatio + (1 - lossRatio) * delay.tail(ms);
  const largest = Math.min(arriving * requirement.mistakeMs, detectWithinMs);
  return search(
    requirement,
    detectWithinMs,
    largest,
    (ms) => Math.log(missing(ms)),
    Math.log(arriving),
  );
}

/**
 * Configures NFD-S when only the mean and the variance of the delay are known. Cantelli's
 * inequality bounds the tail of the delay.
 */
export function configureNfdSFromMoments(
  requirement: ChenRequirement,
  lossRatio: number,
  delay: DelayMoments,
): ChenConfiguration | null {
  const { detectWithinMs } = check(requirement, lossRatio);
  const roomMs = detectWithinMs - delay.meanMs;
  if (roomMs <= 0) return null;
  return searchByVariance(requirement, detectWithinMs, roomMs, lossRatio, delay.variance);
}

/**
 * Configures NFD-U and NFD-E. Clocks may differ, so the mean delay is unknown and the detection
 * time counts from the mean delay on.
 */
export function configureNfdU(
  requirement: ChenRequirement,
  lossRatio: number,
  variance: number,
): ChenConfiguration | null {
  const { detectWithinMs } = check(requirement, lossRatio);
  return searchByVariance(requirement, detectWithinMs, detectWithinMs, lossRatio, variance);
}

function searchByVariance(
  requirement: ChenRequirement,
  detectWithinMs: number,
  roomMs: number,
  lossRatio: number,
  variance: number,
): ChenConfiguration | null {
  checkRange("variance", variance, 0, 1e18);
  const arriving = ((1 - lossRatio) * roomMs ** 2) / (variance + roomMs ** 2);
  const logMissing = (ms: number): number =>
    Math.log((variance + lossRatio * ms ** 2) / (variance + ms ** 2));
  const largest = Math.min(arriving * requirement.mistakeMs, roomMs);
  // The paper's f has no q_0 here: eta_max contains q_0 already.
  return search(requirement, roomMs, largest, logMissing, 0, detectWithinMs);
}

/** Steps of the scan between two jumps of f. */
const STEPS = 100;
/** More heartbeats than this within a detection time are a stream of packets, no heartbeat. */
const MOST_HEARTBEATS = 200;

/**
 * Returns the largest interval with f(interval) >= the time between mistakes. f jumps at each
 * interval of which `roomMs` is a whole multiple, and is neither monotone nor continuous there. A
 * bisection over the whole range would miss the answer, so each piece between two jumps is scanned
 * from the top. In logarithms: the products reach 1e6 and more.
 */
function search(
  requirement: ChenRequirement,
  roomMs: number,
  largest: number,
  logMissing: (ms: number) => number,
  logArriving: number,
  detectWithinMs: number = roomMs,
): ChenConfiguration | null {
  const logDemand = Math.log(requirement.betweenMistakesMs);
  const isKept = (intervalMs: number): boolean =>
    logF(intervalMs, roomMs, logMissing) - logArriving >= logDemand;

  for (
    let heartbeats = Math.max(1, Math.ceil(roomMs / largest));
    heartbeats <= MOST_HEARTBEATS;
    heartbeats++
  ) {
    // On [room / n, room / (n - 1)) the product has n - 1 factors.
    const low = roomMs / heartbeats;
    const high = Math.min(largest, heartbeats === 1 ? largest : roomMs / (heartbeats - 1));
    const intervalMs = largestKept(low, high, isKept);
    if (intervalMs !== null) return { intervalMs, shiftMs: detectWithinMs - intervalMs };
  }
  return null;
}

function largestKept(
  low: number,
  high: number,
  isKept: (intervalMs: number) => boolean,
): number | null {
  let failed = high;
  for (let step = 0; step <= STEPS; step++) {
    const at = step === STEPS ? low : high * (1 - 1e-12) - ((high - low) * step) / STEPS;
    if (!isKept(at)) {
      failed = at;
      continue;
    }

    let [kept, lost] = [at, step === 0 ? at : failed];
    for (let halving = 0; halving < 60 && lost - kept > 1e-12 * kept; halving++) {
      const middle = (kept + lost) / 2;
      if (isKept(middle)) kept = middle;
      else lost = middle;
    }
    return kept;
  }
  return null;
}

function logF(intervalMs: number, roomMs: number, logMissing: (ms: number) => number): number {
  let sum = Math.log(intervalMs);
  const factors = Math.ceil(roomMs / intervalMs - 1e-9) - 1;
  for (let j = 1; j <= factors; j++) sum -= logMissing(roomMs - j * intervalMs);
  return sum;
}

function check(requirement: ChenRequirement, lossRatio: number): ChenRequirement {
  checkDuration("detectWithinMs", requirement.detectWithinMs);
  checkRange("betweenMistakesMs", requirement.betweenMistakesMs, 1e-6, Number.MAX_VALUE);
  checkDuration("mistakeMs", requirement.mistakeMs);
  checkRange("lossRatio", lossRatio, 0, 1);
  return requirement;
}
