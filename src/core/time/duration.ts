const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const DURATION = /^(\d+(?:\.\d+)?)(ms|s|min|m|h|d)$/;

/**
 * Reads `5s`, `500ms`, `1.5h`, `2m` into milliseconds. Returns `null` for anything else, also for a
 * bare number: nobody remembers its unit.
 */
export function durationMs(text: string): number | null {
  const [, amount = "", unit = ""] = DURATION.exec(text) ?? [];
  const ms = Number(amount) * (UNIT_MS[unit] ?? Number.NaN);
  return amount !== "" && Number.isFinite(ms) ? ms : null;
}
