import { SMALLEST_GUARD_BUDGET_MS } from "../guard/budget.ts";
import { UsageError } from "./command.ts";
import { parseDuration } from "./duration.ts";

/** Reads `--detect-within` into milliseconds; default 10 s. @throws UsageError */
export function detectWithin(text: string | undefined): number {
  return text === undefined ? DEFAULT_MS : parseDuration(text, "--detect-within");
}

const DEFAULT_MS = 10_000;

/** Reads `--detect-within` for a guard, which needs time for two verdicts. @throws UsageError */
export function guardWithin(text: string | undefined): number {
  const detectWithinMs = detectWithin(text);
  if (detectWithinMs >= SMALLEST_GUARD_BUDGET_MS) return detectWithinMs;
  throw new UsageError(
    `--detect-within takes at least ${SMALLEST_GUARD_BUDGET_MS}ms, got ${text}: a guard needs time for two verdicts`,
  );
}
