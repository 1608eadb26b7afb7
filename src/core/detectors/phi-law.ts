import { log10NormalTail, normalTailQuantile } from "./normal-tail.ts";

/** Converts the lateness y = (elapsed - mean) / deviation into phi, and back. */
export interface PhiLaw {
  phi(lateness: number): number;
  latenessAt(phi: number): number;
}

/** The paper's law: phi from the tail of the normal distribution. */
export const normalPhi: PhiLaw = {
  phi: (lateness) => -log10NormalTail(lateness),
  latenessAt: (phi) => normalTailQuantile(-phi),
};

/**
 * The logistic approximation in Akka and Cassandra's successors: cheap, and close up to a phi of
 * about 8.
 */
export const logisticPhi: PhiLaw = {
  // For large x, log1p(exp(x)) is x, and exp(x) overflows
  phi: (lateness) => {
    const x = lateness * (1.5976 + 0.070566 * lateness * lateness);
    return (x > 700 ? x : Math.log1p(Math.exp(x))) / Math.LN10;
  },
  latenessAt: (phi) => {
    const target = phi * Math.LN10;
    const x = target > 700 ? target : Math.log(Math.expm1(target));
    return cubicRoot(x);
  },
};

/**
 * Solves y (1.5976 + 0.070566 y^2) = x. The left side only grows, so Newton's method cannot stray.
 */
function cubicRoot(x: number): number {
  let y = x / 1.5976;
  if (Math.abs(x) > 5) y = Math.cbrt(x / 0.070566);
  for (let step = 0; step < 60; step++) {
    const slope = 1.5976 + 3 * 0.070566 * y * y;
    const correction = (y * (1.5976 + 0.070566 * y * y) - x) / slope;
    y -= correction;
    if (Math.abs(correction) < 1e-13 * (1 + Math.abs(y))) break;
  }
  return y;
}
