import { FAULTS } from "../faults.ts";
import type { LabReport } from "../report.ts";
import type { LineChart, Series } from "./line-chart.ts";
import { colourOf, mechanismsOf } from "./mechanism-look.ts";

/**
 * Charts, for each mechanism, the share of connections whose dead peer was noticed, over the time
 * since the fault. Only faults after which the peer is gone without a word count.
 */
export function noticedChart(report: LabReport): LineChart {
  const cuts = new Set(FAULTS.filter(({ effect }) => effect === "cuts").map(({ id }) => id));
  const cells = report.cells.filter(
    ({ fault, falseAlarm, detectedMs }) => cuts.has(fault) && !falseAlarm && (detectedMs ?? 0) >= 0,
  );
  const endMs = Math.max(0, ...cells.map(({ observedMs }) => observedMs));

  const series = mechanismsOf(cells).map((mechanism): Series => {
    const own = cells.filter((cell) => cell.mechanism === mechanism);
    const times = own
      .flatMap(({ detectedMs }) => (detectedMs === null ? [] : [detectedMs]))
      .sort((a, b) => a - b);
    const share = (count: number): number => (100 * count) / own.length;
    const points = times.map((ms, i) => ({ x: ms / 1000, y: share(i + 1) }));
    const ends = [{ x: 0, y: 0 }, ...points, { x: endMs / 1000, y: share(times.length) }];
    return {
      name: `${mechanism} (${times.length} of ${own.length})`,
      colour: colourOf(mechanism),
      isStepped: true,
      points: ends,
    };
  });

  return {
    title:
      "Share of connections with a dead peer that each mechanism had noticed, over the time since the fault",
    xLabel: "seconds since the fault",
    yLabel: "noticed (%)",
    series,
  };
}
