import { escapeHtml } from "./escape-html.ts";

export interface Series {
  readonly name: string;
  /** Number of its colour, 0 to 9. */
  readonly colour: number;
  readonly points: readonly { readonly x: number; readonly y: number; readonly note?: string }[];
  readonly isDashed?: boolean;
  /** The line holds its value until the next point. */
  readonly isStepped?: boolean;
}

export interface LineChart {
  /** Text of the chart for screen readers. */
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly isYLogarithmic?: boolean;
  readonly series: readonly Series[];
  readonly formatX?: (value: number) => string;
  readonly formatY?: (value: number) => string;
}

const [WIDTH, HEIGHT] = [520, 340];
const [LEFT, RIGHT, TOP, BOTTOM] = [66, 26, 14, 44];

/**
 * Draws a line chart as SVG. The colours are the classes c0 to c9 of {@link chartStyle}. The legend
 * is separate: {@link chartLegend}.
 */
export function lineChart(chart: LineChart): string {
  const points = chart.series.flatMap(({ points: its }) => its);
  const x = scale(
    points.map((point) => point.x),
    LEFT,
    WIDTH - RIGHT,
    false,
  );
  const y = scale(
    points.map((point) => point.y),
    HEIGHT - BOTTOM,
    TOP,
    chart.isYLogarithmic ?? false,
  );
  return `<svg class="chart" viewBox="0 0 ${WIDTH} ${HEIGHT}" xmlns="http://www.w3.org/2000/svg" role="img" aria-label="${escapeHtml(chart.title)}">
${xAxis(x, chart)}${yAxis(y, chart)}
${chart.series.map((series) => line(series, x, y)).join("\n")}
</svg>`;
}

/** Renders the names and colours of the lines as HTML. */
export function chartLegend(series: readonly Series[]): string {
  const entries = series.map(
    ({ name, colour, isDashed }) =>
      `<li class="c${colour}"><i class="${isDashed ? "dashed" : ""}"></i>${escapeHtml(name)}</li>`,
  );
  return `<ul class="legend">${entries.join("")}</ul>`;
}

/**
 * Style of charts, light and dark. The colours are those of Okabe and Ito, which colour-blind
 * people can distinguish, shifted for contrast.
 */
export const chartStyle: string = `
:root { --c0:#5f6b76; --c1:#a84c12; --c2:#0072b2; --c3:#00805c; --c4:#a3437f; --c5:#8a6d00; --c6:#2b68ad; --c7:#6b4fbb; --c8:#c22f2f; --c9:#7a5230; --ink:#1b2026; --faint:#d5dbe1; --soft:#5c6873; }
@media (prefers-color-scheme: dark) { :root { --c0:#9aa7b3; --c1:#f0914c; --c2:#56b4e9; --c3:#3fc79a; --c4:#e58fc4; --c5:#e6c34a; --c6:#8ab8f0; --c7:#b39df5; --c8:#ff7b72; --c9:#c9a27e; --ink:#e6eaee; --faint:#333c45; --soft:#9aa5b0; } }
.chart text { fill: var(--soft); font: 13px system-ui, sans-serif; } .chart .grid { stroke: var(--faint); }
.chart .line { fill: none; stroke: currentColor; stroke-width: 2; stroke-linejoin: round; } .chart .dashed { stroke-dasharray: 6 4; } .chart circle { fill: currentColor; }
${Array.from({ length: 10 }, (_, i) => `.c${i} { color: var(--c${i}); }`).join(" ")}
`;

interface Scale {
  at(value: number): number;
  readonly ticks: readonly number[];
}

function scale(values: readonly number[], from: number, to: number, isLogarithmic: boolean): Scale {
  const used = isLogarithmic ? values.filter((value) => value > 0) : [...values, 0];
  const [least, most] = [Math.min(...used), Math.max(...used)];

  if (isLogarithmic) {
    const low = Math.floor(Math.log10(least));
    const high = Math.max(low + 1, Math.ceil(Math.log10(most)));
    const ticks = Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i));
    return {
      ticks,
      at: (value) =>
        from + ((to - from) * (Math.log10(Math.max(value, 10 ** low)) - low)) / (high - low),
    };
  }

  const step = niceStep((most - least || 1) / 6);
  const end = Math.ceil(most / step) * step || step;
  const ticks = Array.from({ length: Math.round(end / step) + 1 }, (_, i) => i * step);
  return { ticks, at: (value) => from + ((to - from) * value) / end };
}

function niceStep(rough: number): number {
  const magnitude = 10 ** Math.floor(Math.log10(rough));
  return ([1, 2, 5, 10].find((factor) => factor * magnitude >= rough) ?? 10) * magnitude;
}

function xAxis(x: Scale, { xLabel, formatX = String }: LineChart): string {
  const ticks = x.ticks.map((value) => {
    const at = x.at(value).toFixed(1);
    return `<line class="grid" x1="${at}" x2="${at}" y1="${TOP}" y2="${HEIGHT - BOTTOM}"/><text x="${at}" y="${HEIGHT - BOTTOM + 17}" text-anchor="middle">${escapeHtml(formatX(value))}</text>`;
  });
  return `${ticks.join("")}<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 6}" text-anchor="middle">${escapeHtml(xLabel)}</text>`;
}

function yAxis(y: Scale, { yLabel, formatY = String }: LineChart): string {
  const ticks = y.ticks.map((value) => {
    const at = y.at(value).toFixed(1);
    return `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at}" y2="${at}"/><text x="${LEFT - 6}" y="${Number(at) + 4}" text-anchor="end">${escapeHtml(formatY(value))}</text>`;
  });
  const middle = (TOP + HEIGHT - BOTTOM) / 2;
  return `${ticks.join("")}<text transform="translate(13 ${middle}) rotate(-90)" text-anchor="middle">${escapeHtml(yLabel)}</text>`;
}

function line(series: Series, x: Scale, y: Scale): string {
  let path = "";
  for (const point of series.points) {
    const [px, py] = [x.at(point.x).toFixed(1), y.at(point.y).toFixed(1)];
    path += path === "" ? `M${px} ${py}` : series.isStepped ? `H${px}V${py}` : `L${px} ${py}`;
  }
  const dots =
    series.isStepped || series.isDashed
      ? []
      : series.points.map((point) => dot(series.name, point, x, y));
  return `<g class="c${series.colour}"><path class="line${series.isDashed ? " dashed" : ""}" d="${path}"/>${dots.join("")}</g>`;
}

function dot(name: string, point: Series["points"][number], x: Scale, y: Scale): string {
  const note = `${name}${point.note ? `, ${point.note}` : ""}`;
  return `<circle r="3" cx="${x.at(point.x).toFixed(1)}" cy="${y.at(point.y).toFixed(1)}"><title>${escapeHtml(note)}</title></circle>`;
}
