import type { Fault } from "../fault.ts";
import type { Mechanism } from "../mechanisms.ts";
import type { LabCell, LabReport } from "../report.ts";
import { type Outcome, outcomeOf, outcomeText, secondsText, variantText } from "./cell-text.ts";
import { escapeHtml } from "./escape-html.ts";
import { colourOf, mechanismsOf } from "./mechanism-look.ts";

/** Renders one fault: a row for each traffic and mechanism, over the time since the strike. */
export function faultSection(fault: Fault, report: LabReport): string {
  const cells = report.cells.filter((cell) => cell.fault === fault.id);
  const endMs = Math.max(report.detectWithinMs * 1.2, ...cells.map(({ observedMs }) => observedMs));
  const groups = fault.traffics
    .map((traffic) => ({ traffic, cells: cells.filter((cell) => cell.traffic === traffic) }))
    .filter((group) => group.cells.length > 0)
    .map(
      (group) =>
        `<h4>${group.traffic === "idle" ? "idle connection" : "data in flight"}</h4>${rows(fault, group.cells, report.detectWithinMs, endMs)}`,
    );

  const broken = cells.filter(({ ok }) => !ok).length;
  const mark = broken > 0 ? `<b class="bad">${broken} not as promised</b>` : "";
  return `<section class="fault" id="${escapeHtml(fault.id)}"><h3>${escapeHtml(fault.title)} ${mark}</h3>${groups.join("")}${axis(report.detectWithinMs, endMs)}${diagnoses(cells)}</section>`;
}

function rows(fault: Fault, cells: readonly LabCell[], budgetMs: number, endMs: number): string {
  return mechanismsOf(cells)
    .map((mechanism) =>
      row(
        fault,
        mechanism,
        cells.filter((cell) => cell.mechanism === mechanism),
        budgetMs,
        endMs,
      ),
    )
    .join("");
}

function row(
  fault: Fault,
  mechanism: Mechanism,
  cells: readonly LabCell[],
  budgetMs: number,
  endMs: number,
): string {
  const isCut = fault.effect !== "lives";
  const text = [...new Set(summaries(fault, cells))].join("; ");

  const outcomes = cells.map((cell) => outcomeOf(cell, fault.effect));
  const isBad = cells.some(({ ok }) => !ok) || outcomes.includes("killed");
  const track = `${isCut ? budgetMark(budgetMs, endMs) : ""}${predictions(cells, endMs)}${cells.map((cell, i) => dot(cell, outcomes[i] as Outcome, endMs)).join("")}`;
  return `<div class="row c${colourOf(mechanism)}"><span class="name">${mechanism}</span><span class="what${isBad ? " bad" : ""}">${escapeHtml(text)}</span><div class="track">${track}</div></div>`;
}

/**
 * Describes the cells of one mechanism (IPv4, IPv6, TLS) in one line: the range of the noticed
 * ones, and the outcome of each other.
 */
function summaries(fault: Fault, cells: readonly LabCell[]): string[] {
  const noticed = cells.filter((cell) => outcomeOf(cell, fault.effect) === "noticed");
  const times = noticed.map(({ detectedMs }) => detectedMs ?? 0);
  const [least, most] = [Math.min(...times), Math.max(...times)];
  const errors = [...new Set(noticed.map(({ error }) => error ?? "closed"))].join(" or ");

  const range =
    least === most ? secondsText(least) : `${secondsText(least)} to ${secondsText(most)}`;
  const others = cells
    .filter((cell) => !noticed.includes(cell))
    .map((cell) => outcomeText(cell, outcomeOf(cell, fault.effect)));
  return noticed.length > 0 ? [`${range}, ${errors}`, ...others] : others;
}

function percent(ms: number, endMs: number): string {
  return `${Math.min(100, Math.max(0, (100 * ms) / endMs)).toFixed(2)}%`;
}

function budgetMark(budgetMs: number, endMs: number): string {
  return `<i class="budget" style="left:${percent(budgetMs, endMs)}"></i>`;
}

function predictions(cells: readonly LabCell[], endMs: number): string {
  const spans = new Map<string, string>();
  for (const { predictedMs } of cells) {
    if (predictedMs === null) continue;
    const { best, worst } = predictedMs;
    if (best > endMs) continue; // the text holds this prediction
    const width = percent(Math.min(worst, endMs) - Math.min(best, endMs), endMs);
    const title = `predicted: ${secondsText(best)} to ${secondsText(worst)}`;
    spans.set(
      title,
      `<i class="predicted" style="left:${percent(best, endMs)};width:max(3px,${width})" title="${title}"></i>`,
    );
  }
  return [...spans.values()].join("");
}

function dot(cell: LabCell, outcome: Outcome, endMs: number): string {
  const title = escapeHtml(`${variantText(cell)}: ${outcomeText(cell, outcome)}`);
  if (outcome === "missed" || outcome === "lives")
    return `<i class="${outcome}" style="width:${percent(cell.observedMs, endMs)}" title="${title}"></i>`;
  return `<i class="dot ${outcome}" style="left:${percent(cell.detectedMs ?? 0, endMs)}" title="${title}"></i>`;
}

function axis(budgetMs: number, endMs: number): string {
  const steps = [1, 2, 5, 10, 20, 60, 120, 300, 600].map((s) => s * 1000);
  const step = steps.find((ms) => endMs / ms <= 6) ?? endMs / 5;

  const ticks = [];
  for (let at = 0; at <= endMs; at += step)
    ticks.push(`<i style="left:${percent(at, endMs)}">${at / 1000} s</i>`);
  return `<div class="axis" title="budget ${secondsText(budgetMs)}">${ticks.join("")}</div>`;
}

/** Lists the diagnoses of watch; equal ones once. */
function diagnoses(cells: readonly LabCell[]): string {
  const texts = new Set<string>();
  for (const { mechanism, diagnosis } of cells) {
    if (mechanism !== "watch" || !diagnosis) continue;
    const why = diagnosis.why.map((word) => escapeHtml(withoutNumbers(word))).join("; ");
    texts.add(`<li><b>${diagnosis.cause}</b> (${diagnosis.certainty}): ${why}</li>`);
  }
  if (texts.size === 0) return "";
  return `<details><summary>diagnoses of watch</summary><ul>${[...texts].join("")}</ul></details>`;
}

/** Removes durations, so that diagnoses that differ only by 40 ms of silence are equal. */
function withoutNumbers(text: string): string {
  return text.replace(/\d+(\.\d+)? (m?s)\b/g, "… $2");
}
