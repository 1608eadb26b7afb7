import type { Effect } from "../fault.ts";
import type { LabCell } from "../report.ts";

/**
 * Fate of a connection. `killed`: ended although the peer lived, or before the fault struck.
 */
export type Outcome = "noticed" | "missed" | "lives" | "killed";

export function outcomeOf(cell: LabCell, effect: Effect): Outcome {
  if (cell.falseAlarm || (cell.detectedMs ?? 0) < 0) return "killed";
  if (effect === "lives") return "lives";
  return cell.detectedMs === null ? "missed" : "noticed";
}

export function secondsText(ms: number): string {
  if (Math.abs(ms) < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(2)} s`;
  const [s, min] = [Math.round(ms / 1000), Math.round(ms / 60_000)];
  return s < 3600
    ? `${Math.floor(s / 60)} min ${s % 60} s`
    : `${Math.floor(min / 60)} h ${min % 60} min`;
}

/** Returns the differences between the cells of one mechanism, such as `IPv6, TLS`. */
export function variantText(cell: LabCell): string {
  return [`IPv${cell.family}`, cell.tls ? "TLS" : "", cell.privileged ? "privileged" : ""]
    .filter((word) => word !== "")
    .join(", ");
}

export function outcomeText(cell: LabCell, outcome: Outcome): string {
  if (outcome === "lives") return "lives";
  if (outcome === "missed")
    return `not within ${secondsText(cell.observedMs)}${predictionText(cell)}`;
  if ((cell.detectedMs ?? 0) < 0) return `ended before the fault: ${cell.error ?? "closed"}`;
  const text = `${secondsText(cell.detectedMs ?? 0)}, ${cell.error ?? "closed"}`;
  return outcome === "killed" ? `killed a live peer: ${text}` : text;
}

/** Returns the prediction for a cell, when it lies too late to be drawn. */
function predictionText({ predictedMs, isAsPredicted, observedMs }: LabCell): string {
  if (predictedMs === null && isAsPredicted !== null) return " (predicted: never)";
  if (predictedMs === null || predictedMs.best < observedMs) return "";
  const { best, worst } = predictedMs;
  return ` (predicted: ${secondsText(best)}${best === worst ? "" : ` to ${secondsText(worst)}`})`;
}
