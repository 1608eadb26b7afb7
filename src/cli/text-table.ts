import { stripVTControlCharacters } from "node:util";

/** Aligns columns by their visible width: colour codes take no room. */
export function textTable(rows: readonly (readonly string[])[], gap = "  "): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, visible(cell));
  }
  const lines = rows.map((row) =>
    row.map((cell, i) => cell + " ".repeat((widths[i] ?? 0) - visible(cell))).join(gap),
  );
  return `${lines.map((line) => line.trimEnd()).join("\n")}\n`;
}

function visible(cell: string): number {
  return stripVTControlCharacters(cell).length;
}
