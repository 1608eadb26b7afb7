import { HalfOpenError } from "../errors.ts";

/** Returns a number after checking its range. @throws HalfOpenError `ERR_OPTION_RANGE` */
export function checkRange(name: string, value: number, smallest: number, largest: number): number {
  if (typeof value === "number" && value >= smallest && value <= largest) return value;
  throw new HalfOpenError(
    "ERR_OPTION_RANGE",
    `${name} must be a number from ${smallest} to ${largest}, got ${String(value)}`,
  );
}

/** Checks a duration: more than 0, at most one year. @throws HalfOpenError `ERR_OPTION_RANGE` */
export function checkDuration(name: string, valueMs: number): number {
  return checkRange(name, valueMs, 1e-6, 31_557_600_000);
}

/** Checks a number of samples to remember. @throws HalfOpenError `ERR_OPTION_RANGE` */
export function checkSamples(name: string, value: number): number {
  return Math.floor(checkRange(name, value, 1, 1_000_000));
}
