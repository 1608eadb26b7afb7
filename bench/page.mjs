// RESULTS.md: what the last run of each bench wrote, targets first.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export function writePage(folder, names, path) {
  const reports = names
    .map((name) => join(folder, `${name}.json`))
    .filter((file) => existsSync(file))
    .map((file) => JSON.parse(readFileSync(file, "utf8")));
  const targets = reports.flatMap((report) =>
    report.targets.map((target) => ({ ...target, command: report.command })),
  );
  const page = [
    "# Results",
    "Written by `npm run bench` from `bench/results/*.json`; not edited by hand. Ratios are within one run. What is behind a missed target is in " +
      "[README.md](README.md).",
    markdown([
      ["what", "measured", "target", "", "command"],
      ...targets.map(({ what, measured, target, isMet, command }) => [
        what,
        measured,
        target,
        wordFor(isMet),
        `\`${command}\``,
      ]),
    ]),
    ...reports.flatMap(section),
  ];
  writeFileSync(path, `${page.join("\n\n")}\n`);
}

function section({ title, method, command, machine, tookS, table }) {
  const { cpu, cpus, kernel, node } = machine;
  return [
    `## ${title}`,
    method,
    `\`${command}\`, ${tookS} s; ${cpus} x ${cpu}, Linux ${kernel}, Node ${node}.`,
    markdown(table),
  ];
}

/** `null`: not measured. */
export function wordFor(isMet) {
  if (isMet === null) return "not measured";
  return isMet ? "met" : "**missed**";
}

function markdown([head, ...rows]) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  return [
    line(head),
    line(head.map((_, i) => (i === 0 ? "---" : "---:"))),
    ...rows.map((row) => line(head.map((_, i) => row[i] ?? ""))),
  ].join("\n");
}
