import { UsageError } from "./command.ts";

/** Reads a plain number within bounds. */
export function parseNumber(
  text: string,
  option: string,
  smallest: number,
  largest: number,
): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (value >= smallest && value <= largest) return value;
  throw new UsageError(
    `${option} takes a number from ${smallest} to ${largest}, got ${JSON.stringify(text)}`,
  );
}

/** Reads `1%` or `0.01` into a share of 1. */
export function parseShare(text: string, option: string): number {
  const [, amount = "", percent] = /^(\d+(?:\.\d+)?)(%)?$/.exec(text) ?? [];
  const share = amount === "" ? Number.NaN : Number(amount) / (percent ? 100 : 1);
  if (share >= 0 && share <= 1) return share;
  throw new UsageError(`${option} takes a share as 1% or 0.01, got ${JSON.stringify(text)}`);
}
