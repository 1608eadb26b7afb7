import type { Curve } from "../curve.ts";
import type { Scenario } from "../scenario.ts";
import { chartLegend, chartStyle, type LineChart, lineChart, type Series } from "./line-chart.ts";

/** Draws mistakes against detection time. Returns the chart and its legend. */
export function detectorChart(
  scenario: Scenario,
  curves: readonly Curve[],
): { svg: string; legend: string } {
  const series = curves.map(
    ({ name, isBound, points }, colour): Series => ({
      name,
      colour: colour % 10,
      isDashed: isBound,
      points: points.map((point) => ({
        x: point.detectionMs,
        y: point.mistakesPerHour,
        note: `${point.setting}: ${Math.round(point.detectionMs)} ms, ${point.mistakesPerHour.toPrecision(3)} false alarms an hour`,
      })),
    }),
  );

  const chart: LineChart = {
    title: `False alarms an hour against detection time: ${scenario.title}`,
    xLabel: "mean detection time (ms)",
    yLabel: "false alarms an hour",
    isYLogarithmic: true,
    series,
  };
  return { svg: lineChart(chart), legend: chartLegend(series) };
}

/** Draws the chart as a file of its own, with style and legend inside. */
export function detectorSvg(scenario: Scenario, curves: readonly Curve[]): string {
  const { svg } = detectorChart(scenario, curves);
  const inside = svg.slice(svg.indexOf(">") + 1, svg.lastIndexOf("</svg>"));

  const rows = curves.map(
    ({ name }, i) =>
      `<g class="c${i % 10}"><rect x="536" y="${30 + 19 * i}" width="16" height="4" fill="currentColor"/><text x="560" y="${36 + 19 * i}">${name}</text></g>`,
  );

  const title = `<text x="8" y="-10">${scenario.title}</text>`;
  return `<svg class="chart" xmlns="http://www.w3.org/2000/svg" viewBox="0 -30 700 370"><title>${scenario.title}</title><style>${chartStyle}.chart { background: Canvas; color-scheme: light dark; }</style>${title}${inside}${rows.join("")}</svg>\n`;
}
