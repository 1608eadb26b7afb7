import type { Fault } from "../lab/fault.ts";
import { FAULTS } from "../lab/faults.ts";
import { MECHANISMS, type Mechanism } from "../lab/mechanisms.ts";
import type { LabCell, LabReport } from "../lab/report.ts";
import type { Traffic } from "../lab/subject-messages.ts";
import { paint } from "./colour.ts";
import { formatDuration } from "./duration.ts";
import { textTable } from "./text-table.ts";

/**
 * Formats the lab's report for people: a row for each fault and traffic, a column for each
 * mechanism, then the broken promises.
 */
export function labTable(report: LabReport): string {
  const mechanisms = MECHANISMS.filter((mechanism) =>
    report.cells.some((cell) => cell.mechanism === mechanism),
  );
  const groups: [Fault["effect"], string][] = [
    [
      "cuts",
      `The peer is gone without a word: time until detection (the budget is ${formatDuration(report.detectWithinMs)})`,
    ],
    ["tells", "The peer's kernel reports the end"],
    ["hides", "The peer is gone, and something else answers for it"],
    ["lives", "The peer lives and must not be given up"],
  ];
  const parts = groups.map(([effect, title]) => {
    const faults = FAULTS.filter(
      (fault) => fault.effect === effect && report.cells.some((cell) => cell.fault === fault.id),
    );
    if (faults.length === 0) return "";
    const head = [
      "fault",
      "traffic",
      ...mechanisms,
      ...(mechanisms.includes("watch") ? ["diagnosis of watch"] : []),
    ];
    const rows = faults
      .flatMap((fault) => fault.traffics.map((traffic) => row(report, mechanisms, fault, traffic)))
      .filter((it) => it.length > 0);
    return `${paint("bold", title)}\n${textTable([head, ...rows, ...predictedRows(report, mechanisms, faults)])}\n`;
  });
  return parts.join("") + footer(report);
}

/** Returns the predicted ranges, one row for all faults with the same prediction. */
function predictedRows(
  report: LabReport,
  mechanisms: readonly Mechanism[],
  faults: readonly Fault[],
): string[][] {
  const titles = new Map<string, { title: string; traffic: Traffic; columns: string[] }[]>();
  for (const fault of faults) {
    for (const traffic of fault.traffics) {
      const cells = report.cells.filter(
        (cell) => cell.fault === fault.id && cell.traffic === traffic,
      );
      const columns = mechanisms.map((mechanism) =>
        rangeText(cells.find((cell) => cell.mechanism === mechanism)),
      );
      if (columns.every((column) => column === "")) continue;
      const key = [traffic, ...columns].join("|");
      titles.set(key, [...(titles.get(key) ?? []), { title: fault.title, traffic, columns }]);
    }
  }
  const groups = [...titles.values()];
  const most = Math.max(...groups.map(({ length }) => length));
  return groups.flatMap((group) =>
    group
      .slice(0, 1)
      .map(({ title, traffic, columns }) => [
        group.length < Math.min(2, most) ? `predicted: ${title}` : "predicted",
        traffic,
        ...columns,
      ]),
  );
}

/** Returns the predicted range; empty when nothing was to be timed. */
function rangeText(cell: LabCell | undefined): string {
  if (!cell || cell.isAsPredicted === null) return "";
  if (cell.predictedMs === null) return "never";
  return `${formatDuration(cell.predictedMs.best)} to ${formatDuration(cell.predictedMs.worst)}`;
}

function row(
  report: LabReport,
  mechanisms: readonly Mechanism[],
  fault: Fault,
  traffic: Traffic,
): string[] {
  const cells = report.cells.filter((cell) => cell.fault === fault.id && cell.traffic === traffic);
  if (cells.length === 0) return [];
  const columns = mechanisms.map((mechanism) =>
    slowestText(
      fault,
      cells.filter((cell) => cell.mechanism === mechanism),
    ),
  );
  const diagnosed = cells
    .filter((cell) => cell.mechanism === "watch")
    .map(({ diagnosis }) => (diagnosis ? `${diagnosis.cause} (${diagnosis.certainty})` : "none"));
  return [fault.title, traffic, ...columns, [...new Set(diagnosed)].join(", ")];
}

/**
 * Returns the slowest of a mechanism's cells (IPv4, IPv6, TLS), or the live peer that was given up.
 */
function slowestText(fault: Fault, cells: readonly LabCell[]): string {
  const worst = cells.reduce<LabCell | undefined>(
    (a, b) => (a && (a.detectedMs ?? Infinity) >= (b.detectedMs ?? Infinity) ? a : b),
    undefined,
  );
  const killed = cells.find(({ falseAlarm }) => falseAlarm);
  if (!worst) return "";
  if (killed)
    return paint("red", `KILLED ${formatDuration(killed.detectedMs)} ${killed.error ?? "closed"}`);
  if (fault.effect === "lives") return paint("green", "lives");
  if (worst.detectedMs === null)
    return paint("yellow", `not in ${formatDuration(Math.round(worst.observedMs / 1000) * 1000)}`);
  if (worst.detectedMs < 0) return paint("red", `KILLED before ${worst.error ?? "closed"}`);
  const text = `${formatDuration(worst.detectedMs)} ${worst.error ?? "closed"}`;
  return worst.ok ? text : paint("red", `${text} (!)`);
}

function footer(report: LabReport): string {
  const { environment, summary } = report;
  const wrong = report.cells
    .filter(({ isAsPredicted }) => isAsPredicted === false)
    .map(
      (cell) =>
        `  ${cell.fault}, ${cell.mechanism}, ${cell.traffic}: predicted ${rangeText(cell)}, measured ${formatDuration(cell.detectedMs)}\n`,
    );
  const broken = report.cells
    .filter(({ ok }) => !ok)
    .map(
      (cell) =>
        `  ${cell.fault}, ${cell.traffic}, IPv${cell.family}${cell.tls ? ", TLS" : ""}: ${cell.problem}\n`,
    );
  const inTime = report.cells.filter(
    ({ predictedMs, observedMs }) => predictedMs && predictedMs.worst <= observedMs,
  ).length;
  const skipped = report.skipped.map(({ fault, why }) => `  ${fault}: ${why}\n`);
  return [
    broken.length > 0 ? `${paint("red", "Broken promises of watch")}\n${broken.join("")}` : "",
    wrong.length > 0 ? `${paint("red", "Refuted predictions")}\n${wrong.join("")}` : "",
    skipped.length > 0 ? `${paint("yellow", "Left out")}\n${skipped.join("")}` : "",
    `${summary.cells} cells, ${summary.ok} as promised, ${summary.failed} not; ${summary.asPredicted} of ${summary.predicted} predictions right, ${inTime} were due within the observation time; ${environment.length} length, ${formatDuration(environment.tookMs)}. `,
    `Linux ${environment.kernel}, Node ${environment.node}, ${environment.cpus} CPUs${environment.asRoot ? "" : ", as an ordinary user"}.\n`,
    `A column shows the slowest of its cells (watch: IPv4, IPv6, TLS). The watched program held no privileges.\n`,
  ].join("");
}
