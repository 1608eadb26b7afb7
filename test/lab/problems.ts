import type { LabCell } from "../../src/lab/report.ts";

/** Returns the broken promises among cells, in words. */
export function problemsOf(cells: readonly LabCell[]): string[] {
  return cells
    .filter(({ ok }) => !ok)
    .map(
      (cell) =>
        `${cell.fault} ${cell.traffic} IPv${cell.family}${cell.tls ? " TLS" : ""}: ${cell.problem}`,
    );
}
