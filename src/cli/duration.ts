import { durationMs } from "../core/time/duration.ts";
import { UsageError } from "./command.ts";

/**
 * Reads `5s`, `500ms`, `1.5h`, `2m` into milliseconds. Refuses a bare number: nobody remembers its
 * unit.
 */
export function parseDuration(text: string, option: string): number {
  const ms = durationMs(text);
  if (ms !== null && ms > LONGEST_MS)
    throw new UsageError(`${option} takes at most ${LONGEST_DAYS}d, got ${JSON.stringify(text)}`);
  if (ms !== null) return ms;
  const hint = /^\d+(\.\d+)?$/.test(text) ? `; did you mean ${text}s or ${text}ms?` : "";
  throw new UsageError(
    `${option} takes a duration with its unit (5s, 500ms, 2m, 1h), got ${JSON.stringify(text)}${hint}`,
  );
}

/**
 * A timer of Node waits at most 2^31 - 1 ms. It turns a longer time into 1 ms, and a loop would
 * spin. 24 days leave room for what is added to a duration.
 */
const LONGEST_DAYS = 24;
const LONGEST_MS = LONGEST_DAYS * 86_400_000;

/**
 * Formats milliseconds for people, with two units at most: `480 ms`, `4.21 s`, `15 min 38 s`,
 * `2 h 11 min`. `null` is `never`.
 */
export function formatDuration(ms: number | null): string {
  if (ms === null || ms === Number.POSITIVE_INFINITY) return "never";
  if (ms < 0) return `-${formatDuration(-ms)}`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 59_995) return `${trimmed((ms / 1000).toFixed(2))} s`;
  const s = Math.round(ms / 1000);
  if (s < 3600) return join(Math.floor(s / 60), "min", s % 60, "s");
  const min = Math.round(s / 60);
  if (min < 24 * 60) return join(Math.floor(min / 60), "h", min % 60, "min");
  const h = Math.round(s / 3600);
  return join(Math.floor(h / 24), "d", h % 24, "h");
}

function join(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`;
}

function trimmed(fixed: string): string {
  return fixed.replace(/\.?0+$/, "");
}
