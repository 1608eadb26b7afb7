import type { DetectionTime } from "../core/forecast/prediction.ts";
import { formatDuration } from "./duration.ts";

/**
 * Returns the cells of a detection time: typical, from best to worst, and the timer that decides.
 */
export function detectionCells(time: DetectionTime | null): string[] {
  if (!time) return ["never", "", ""];
  return [
    formatDuration(time.typicalMs),
    `${formatDuration(time.bestMs)} to ${formatDuration(time.worstMs)}`,
    time.by,
  ];
}

/** Returns the warnings, one a line. */
export function warningLines(warnings: readonly string[]): string {
  return warnings.map((warning) => `! ${warning}\n`).join("");
}
