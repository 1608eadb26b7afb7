import { readFileSync } from "node:fs";

/** Returns the cells of the platform table in a document: capability -> column -> cell. */
export function platformTable(document: string): Record<string, Record<string, string>> {
  const text = readFileSync(new URL(`../../${document}`, import.meta.url), "utf8");
  const [head = "", ...lines] = text
    .split("\n")
    .filter((line) => line.startsWith("| capability |") || /^\| `\w+`: /.test(line));
  const columns = cells(head).slice(1);
  return Object.fromEntries(
    lines.map((line) => {
      const [name = "", ...row] = cells(line);
      return [
        name.replace(/^`(\w+)`.*$/, "$1"),
        Object.fromEntries(columns.map((column, i) => [column, row[i] ?? ""])),
      ];
    }),
  );
}

function cells(line: string): string[] {
  return line
    .split("|")
    .slice(1, -1)
    .map((cell) => cell.trim());
}
