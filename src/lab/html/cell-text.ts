import type { Effect } from "../faults.ts";
import type { LabCell } from "../report.ts";

/** `killed`: a live peer was given up, or the connection ended before the fault struck. */
export type Outcome = "noticed" | "missed" | "lives" | "killed";

/** What became of a connection. */
export function outcomeOf(cell: LabCell, effect: Effect): Outcome {
  if (cell.falseAlarm || (cell.detectedMs ?? 0) < 0) return "killed";
  if (effect === "lives") return "lives";
  return cell.detectedMs === null ? "missed" : "noticed";
}

export function secondsText(ms: number): string {
  return Math.abs(ms) < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

/** `IPv6, TLS`: what tells the cells of one mechanism apart. */
export function variantText(cell: LabCell): string {
  return [`IPv${cell.family}`, cell.tls ? "TLS" : "", cell.privileged ? "privileged" : ""].filter((word) => word !== "").join(", ");
}

/** Whether the measured time lies in the predicted span, widened by 5 % and 100 ms for the machine. `null` where nothing was predicted or nothing happened. */
export function isAsPredicted({ predictedMs, detectedMs }: LabCell): boolean | null {
  if (predictedMs === null || detectedMs === null) return null;
  return detectedMs >= predictedMs.best * 0.95 - 100 && detectedMs <= predictedMs.worst * 1.05 + 100;
}

export function outcomeText(cell: LabCell, outcome: Outcome): string {
  if (outcome === "lives") return "lives";
  if (outcome === "missed") return `not within ${secondsText(cell.observedMs)}`;
  if ((cell.detectedMs ?? 0) < 0) return `ended before the fault: ${cell.error ?? "closed"}`;
  const text = `${secondsText(cell.detectedMs ?? 0)}, ${cell.error ?? "closed"}`;
  return outcome === "killed" ? `killed a live peer: ${text}` : text;
}
