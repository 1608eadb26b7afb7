// (h) Whether loss alone makes a live peer look dead, and how soon a peer that dies behind loss is
// found.
import { GRACE_MS, measureLoss } from "./measure.mjs";
import { ms, percent, quantilesOf } from "./tables.mjs";

const CASES = [
  { detectWithinMs: 2500, loss: 0.01 },
  { detectWithinMs: 2500, loss: 0.1 },
  { detectWithinMs: 3500, loss: 0.05 },
  { detectWithinMs: 5000, loss: 0.05 },
  { detectWithinMs: 5000, loss: 0.16 },
  { detectWithinMs: 10_000, loss: 0.1 },
];

export const title = "Steady loss";
export const method =
  "300 connections over the lab's wire, which loses nothing for 5 s and from then on each packet for itself, each way, for 250 s; then the peer's cable is " +
  "pulled. Half of the connections are idle, on the others the program sends a small message about every second, which the peer echoes. Detection counts " +
  "from before the cut, with the loss still there.";

export async function measure(settings = {}) {
  const runs = [];
  for (const terms of CASES)
    runs.push(await measureLoss({ traffic: "mixed", forMs: 250_000, ...terms, ...settings }));
  return { runs };
}

export function table({ runs }) {
  return [
    [
      "",
      "called dead",
      "suspicions, refuted",
      "processor",
      "detection p50, p95, p99, last",
      "later than the budget",
    ],
    ...runs.map((run) => [
      nameOf(run),
      `${run.falseAlarms.length} of ${run.connections}`,
      `${run.suspicions}, ${run.refuted}`,
      percent(run.cpuMs / run.forMs),
      quantilesOf(run.detection),
      `${run.late} of ${run.found}`,
    ]),
  ];
}

export function targets({ runs }) {
  const falseAlarms = runs.reduce(
    (sum, run) => sum + run.falseAlarms.length + run.unjudged.length,
    0,
  );
  const [cut, found] = [
    runs.reduce((sum, run) => sum + run.cut, 0),
    runs.reduce((sum, run) => sum + run.found, 0),
  ];
  const mildest = runs.reduce((a, b) => (a.loss <= b.loss ? a : b));
  return [
    {
      what: "live connections called dead",
      measured: `${falseAlarms}`,
      target: "0",
      isMet: falseAlarms === 0,
    },
    {
      what: "found, of those cut",
      measured: `${found} of ${cut}`,
      target: "all",
      isMet: found === cut,
    },
    {
      what: `half of them found in time at ${nameOf(mildest)}`,
      measured: ms(mildest.detection.p50),
      target: `<= ${mildest.detectWithinMs + GRACE_MS} ms`,
      isMet: mildest.detection.p50 <= mildest.detectWithinMs + GRACE_MS,
    },
  ];
}

function nameOf({ detectWithinMs, loss }) {
  return `budget ${ms(detectWithinMs)}, ${percent(loss)} lost each way`;
}
