import type { Curve } from "../curve.ts";
import type { Effect } from "../fault.ts";
import { FAULTS } from "../faults.ts";
import { MECHANISM_NOTES } from "../mechanisms.ts";
import type { LabReport } from "../report.ts";
import type { Scenario } from "../scenario.ts";
import { secondsText, variantText } from "./cell-text.ts";
import { detectorChart } from "./detector-chart.ts";
import { escapeHtml } from "./escape-html.ts";
import { chartLegend, lineChart } from "./line-chart.ts";
import { colourOf, mechanismsOf } from "./mechanism-look.ts";
import { noticedChart } from "./noticed-chart.ts";
import { pageStyle } from "./page-style.ts";
import { faultSection } from "./time-line.ts";

export interface SimulatedCurves {
  readonly scenario: Scenario;
  readonly curves: readonly Curve[];
}

/**
 * Renders a report of the lab as one page: no script, nothing loaded, light and dark, for phones
 * and desktops.
 */
export function labPage(report: LabReport, simulated: readonly SimulatedCurves[]): string {
  const title = `halfopen lab: ${report.summary.ok} of ${report.summary.cells} connections as promised`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<title>${title}</title><style>${pageStyle}</style></head>
<body><header><h1>${title}</h1><p class="soft">${environment(report)}</p></header>
<main>${figures(report)}${problems(report)}
<h2>When it was noticed</h2>${noticed(report)}
${GROUPS.map((group) => faultGroup(group, report)).join("\n")}
${simulated.length > 0 ? `<h2>Detectors of heartbeats, simulated</h2>${simulated.map(detectors).join("\n")}` : ""}
</main></body></html>
`;
}

function environment({ environment: it, detectWithinMs }: LabReport): string {
  const machine = `Linux ${it.kernel}, Node ${it.node}, ${it.platform}, ${it.cpus} CPUs`;
  return escapeHtml(
    `${machine}; budget ${secondsText(detectWithinMs)}, ${it.length} length, ${secondsText(it.tookMs)}; ${it.startedAt}`,
  );
}

function figures(report: LabReport): string {
  const watched = report.cells.filter(({ mechanism }) => mechanism === "watch");
  // A fault that gives watch a time of its own says nothing of how soon it notices.
  const cuts = new Set(
    FAULTS.filter(({ effect, foundWithinMs }) => effect === "cuts" && !foundWithinMs).map(
      ({ id }) => id,
    ),
  );
  const found = watched
    .filter(({ fault, falseAlarm }) => cuts.has(fault) && !falseAlarm)
    .map(({ detectedMs }) => detectedMs ?? Number.POSITIVE_INFINITY);
  const judged = report.cells
    .map(({ isAsPredicted }) => isAsPredicted)
    .filter((verdict) => verdict !== null);

  const entries: [string, string][] = [
    [`${report.summary.ok} / ${report.summary.cells}`, "connections as promised"],
    [String(watched.filter(({ falseAlarm }) => falseAlarm).length), "live peers given up by watch"],
  ];
  if (found.length > 0) {
    const slowest = Math.max(...found);
    entries.push([
      Number.isFinite(slowest) ? secondsText(slowest) : "never",
      "slowest detection by watch of a peer that was cut off",
    ]);
  }

  entries.push(
    judged.length > 0
      ? [
          `${judged.filter(Boolean).length} / ${judged.length}`,
          "measured within the predicted span, widened by 5 % + 100 ms",
        ]
      : ["none", "of the connections have a prediction in this report"],
  );
  return `<ul class="figures">${entries.map(([figure, what]) => `<li><b>${figure}</b>${escapeHtml(what)}</li>`).join("")}</ul>`;
}

function problems(report: LabReport): string {
  const broken = report.cells
    .filter(({ ok }) => !ok)
    .map(
      (cell) =>
        `${cell.fault}, ${cell.traffic}, ${cell.mechanism}, IPv${cell.family}${cell.tls ? ", TLS" : ""}: ${cell.problem}`,
    );
  const skipped = report.skipped.map(({ fault, why }) => `left out: ${fault}: ${why}`);
  const unforeseen = report.cells
    .filter(({ isAsPredicted }) => isAsPredicted === false)
    .map(
      (cell) =>
        `not as predicted: ${cell.fault}, ${cell.traffic}, ${cell.mechanism}, ${variantText(cell)}`,
    );

  const items = [...broken, ...unforeseen, ...skipped];
  return items.length === 0
    ? ""
    : `<h2 class="bad">Not as promised</h2><ul>${items.map((item) => `<li>${escapeHtml(item)}</li>`).join("")}</ul>`;
}

function noticed(report: LabReport): string {
  const chart = noticedChart(report);
  if (chart.series.length === 0)
    return '<p class="soft">No fault of this report cut a peer off.</p>';

  const notes = mechanismsOf(report.cells).map(
    (mechanism) =>
      `<li class="c${colourOf(mechanism)}"><b>${mechanism}</b>: ${escapeHtml(MECHANISM_NOTES[mechanism])}</li>`,
  );
  return `<figure>${lineChart(chart)}${chartLegend(chart.series)}<figcaption>${escapeHtml(chart.title)}.</figcaption><details><summary>the mechanisms</summary><ul>${notes.join("")}</ul></details></figure>`;
}

const GROUPS: readonly (readonly [Effect, string, string])[] = [
  [
    "cuts",
    "The peer is gone without a word",
    "Each dot is a connection that was ended. It belongs left of the dashed line, the budget.",
  ],
  [
    "tells",
    "The peer's kernel reports the end",
    "Nothing has to be detected here: the report only has to arrive.",
  ],
  [
    "hides",
    "The peer is gone, and something else answers for it",
    "The kernel has nothing to find here: only a proof of the process does, such as a heartbeat.",
  ],
  ["lives", "The peer lives and must not be given up", "A red block is a false alarm."],
];

function faultGroup([effect, title, note]: (typeof GROUPS)[number], report: LabReport): string {
  const faults = FAULTS.filter(
    (fault) => fault.effect === effect && report.cells.some((cell) => cell.fault === fault.id),
  );
  if (faults.length === 0) return "";

  const key = [
    ['<i class="dot" style="left:50%"></i>', "ended"],
    ['<i class="predicted" style="left:25%;width:50%"></i>', "predicted span"],
    ['<i class="missed" style="width:100%"></i>', "observed, not noticed"],
    ['<i class="budget" style="left:50%"></i>', "budget"],
  ].map(([mark, text]) => `<span><span class="track">${mark}</span>${text}</span>`);

  const legend = effect === "cuts" ? `<p class="key">${key.join("")}</p>` : "";
  return `<h2>${title}</h2><p class="soft">${note}</p>${legend}${faults.map((fault) => faultSection(fault, report)).join("\n")}`;
}

function detectors({ scenario, curves }: SimulatedCurves): string {
  const { svg, legend } = detectorChart(scenario, curves);
  const bound =
    scenario.transport === "datagram"
      ? "nothing can lie below the dashed line"
      : "the dashed line is the best without memory of earlier heartbeats";
  const caption = `${scenario.title}; a heartbeat every ${scenario.intervalMs} ms. Lower and further left is better; ${bound}. The peer crashes right after it sent a heartbeat, the worst moment.`;
  return `<figure>${svg}${legend}<figcaption>${escapeHtml(caption)}</figcaption></figure>`;
}
