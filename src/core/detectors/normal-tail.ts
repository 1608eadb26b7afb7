/**
 * Returns log10 of the probability that a standard normal value exceeds z. Exact far out too, where
 * the probability itself is 0 in doubles.
 */
export function log10NormalTail(z: number): number {
  if (z < 0) return Math.log10(1 - 10 ** log10NormalTail(-z));
  if (z < 4) return Math.log10(0.5 - centralNormal(z));
  // Laplace's continued fraction for Mills' ratio (Abramowitz and Stegun 26.2.14).
  let fraction = z;
  for (let n = 60; n > 0; n--) fraction = z + n / fraction;
  return (-(z * z) / 2 - Math.log(fraction * Math.sqrt(2 * Math.PI))) / Math.LN10;
}

/** Returns the z that a standard normal value exceeds with probability 10^log10p. */
export function normalTailQuantile(log10p: number): number {
  if (log10p >= 0) return Number.NEGATIVE_INFINITY;
  const target = log10p;
  let [low, high] = [-40, Math.sqrt(-2 * log10p * Math.LN10) + 2];
  for (let step = 0; step < 100 && high - low > 1e-12; step++) {
    const middle = (low + high) / 2;
    if (log10NormalTail(middle) > target) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/**
 * Returns the probability between 0 and z by the series of the error function (Abramowitz and
 * Stegun 26.2.11), good to 1e-15 below z = 4.
 */
function centralNormal(z: number): number {
  let term = z;
  let sum = z;
  for (let n = 1; n < 120 && term > sum * 1e-17; n++) {
    term *= (z * z) / (2 * n + 1);
    sum += term;
  }
  return (sum * Math.exp(-(z * z) / 2)) / Math.sqrt(2 * Math.PI);
}
