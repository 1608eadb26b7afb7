import { parseDuration } from "./duration.ts";

/** Reads `--survive-outage` into milliseconds; `undefined`: the default, 0.4 of the budget. */
export function surviveOutage(text: string | undefined): number | undefined {
  return text === undefined ? undefined : parseDuration(text, "--survive-outage");
}
