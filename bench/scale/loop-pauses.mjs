// (c) How long the event loop is held up, and by whom.
import { setTimeout as sleep } from "node:timers/promises";
import { MECHANISMS, SETTLED_AFTER_MS } from "./mechanisms.mjs";
import { withPopulation } from "./population.mjs";

const WINDOW_MS = 20_000;
const LONG_MS = 5;
const SUBJECTS = [
  "tcp",
  "watchServer",
  "watch",
  "write",
  "ws",
  "wsRecipe",
  "wsWatch",
  "engine",
  "enginePing",
];

export const title = "Pauses of the event loop";
export const method =
  `The loop runs without rest for ${WINDOW_MS / 1000} s; a pause is an iteration of 1 ms or more, counted as the time in which the process had a ` +
  "processor (the clock's where that is less), so that other processes do not count. The unwatched rows are what the machine and the connections " +
  "do by themselves: garbage collection, timers, IPC.";

export async function measure({ connections = 15_000, only = SUBJECTS } = {}) {
  const rows = [];
  for (const mechanism of only) {
    rows.push({
      mechanism,
      ...(await withPopulation(mechanism, async (population) => {
        await population.connect(connections);
        await population.ask("heap"); // what connecting left behind is not collected in the window
        await sleep(SETTLED_AFTER_MS);
        return await population.ask("pauses", WINDOW_MS);
      })),
    });
  }
  return {
    connections,
    rows: rows.map(({ pauses, iterations, mechanism }) => ({
      mechanism,
      ...summary(pauses, iterations),
      pauses,
    })),
  };
}

function summary(pauses, iterations) {
  return {
    iterations,
    // Of the pauses, which come sorted: of all iterations the p99 would be that of an idle loop.
    p99Ms: pauses[Math.floor(pauses.length / 100)] ?? 0,
    maxMs: pauses[0] ?? 0,
    longer: pauses.filter((ms) => ms > LONG_MS).length,
    sumMs: pauses.reduce((sum, ms) => sum + ms, 0),
  };
}

export function table({ rows }) {
  const find = (mechanism) => rows.find((row) => row.mechanism === mechanism);
  return [
    [
      "",
      "max",
      "max less unwatched",
      "p99 of the pauses",
      `longer than ${LONG_MS} ms`,
      "1 ms or more",
      "sum",
    ],
    ...rows.map((row) => {
      const base = find(MECHANISMS[row.mechanism].base);
      return [
        MECHANISMS[row.mechanism].title,
        `${row.maxMs.toFixed(1)} ms`,
        base && base !== row ? `${(row.maxMs - base.maxMs).toFixed(1)} ms` : "",
        `${row.p99Ms.toFixed(1)} ms`,
        String(row.longer),
        String(row.pauses.length),
        `${row.sumMs.toFixed(0)} ms`,
      ];
    }),
  ];
}

export function targets({ rows }) {
  return ["watchServer", "watch"].map((mechanism) => {
    const [{ maxMs }, base] = [mechanism, MECHANISMS[mechanism].base].map((name) =>
      rows.find((row) => row.mechanism === name),
    );
    const ours = maxMs - base.maxMs;
    return {
      what: `longest pause, ${MECHANISMS[mechanism].title} less unwatched`,
      measured: `${ours.toFixed(1)} ms`,
      target: `<= ${LONG_MS} ms`,
      isMet: ours <= LONG_MS,
    };
  });
}
