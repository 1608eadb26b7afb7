// The figures of a run in words.

export function percent(share) {
  return `${(100 * share).toFixed(share > 0 && share < 0.1 ? 1 : 0)} %`;
}

export function ms(value) {
  return `${Math.round(value)} ms`;
}

/** One run, a figure a row. */
export function runTable(run) {
  const { wire, detection, learned } = run;
  return [
    ["", "measured"],
    ["live connections called dead", `${run.falseAlarms.length} of ${run.connections}`],
    ["ended without a verdict", `${run.unjudged.length}`],
    ["suspicions, refuted", `${run.suspicions}, ${run.refuted}`],
    [
      "processor time of the watching process",
      `${ms(run.cpuMs)}, ${percent(run.cpuMs / run.forMs)} of a core`,
    ],
    ["the wire before: spilt out, in", `${wire.clean.out.spilt}, ${wire.clean.in.spilt}`],
    ["lost out; right behind a lost one", lossOf(wire.lossy.out)],
    ["lost in; right behind a lost one", lossOf(wire.lossy.in)],
    ["spilt out, in", `${wire.lossy.out.spilt}, ${wire.lossy.in.spilt}`],
    [
      "loss of round trips learned: p50, p99, most",
      learned ? [learned.p50, learned.p99, learned.max].map(percent).join(", ") : "-",
    ],
    ["cut, found", `${run.cut}, ${run.found}`],
    ["detection p50, p95, p99, last", quantilesOf(detection)],
    ["of them ended by the kernel itself", `${run.endedByKernel}`],
    ["later than the budget and 250 ms", `${run.late}`],
    ["that said so (overdue)", `${run.overdue}`],
    ["certain, high, medium", Object.values(run.certainties).join(", ")],
  ];
}

/** Live connections that were called dead, a row each. */
export function falseAlarmTable({ falseAlarms }) {
  return [
    [
      "after the loss began",
      "cause",
      "certainty",
      "attempts",
      "loss learned",
      "silent for",
      "round trip",
    ],
    ...falseAlarms.map((it) => [
      ms(it.afterLossMs),
      it.cause,
      it.certainty,
      `${it.attempts}`,
      it.lossRatio.toFixed(3),
      it.silentForMs === null ? "-" : ms(it.silentForMs),
      it.rttMs === null ? "-" : ms(it.rttMs),
    ]),
  ];
}

export function quantilesOf(detection) {
  return detection
    ? [detection.p50, detection.p95, detection.p99, detection.max].map(ms).join(", ")
    : "-";
}

function lossOf({ passed, lost, lostInARow }) {
  return `${lost} of ${passed + lost} (${percent(lost / Math.max(1, passed + lost))}); ${percent(lostInARow / Math.max(1, lost))} of them`;
}

export function print(table) {
  const widths = table[0].map((_, i) => Math.max(...table.map((row) => row[i].length)));
  for (const row of table)
    console.log(
      row
        .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i] + 2)))
        .join(""),
    );
}
