// (h) What a connection costs, by how many there are.
import { setTimeout as sleep } from "node:timers/promises";
import { SETTLED_AFTER_MS, WORST_CASE_MS } from "./mechanisms.mjs";
import { meetingOf } from "./meeting.mjs";
import { withPopulation } from "./population.mjs";
import { countSyscalls } from "./syscalls.mjs";

const WINDOW_MS = 20_000;
const FLAT = 0.2;
const SUBJECTS = ["tcp", "watchServer"];

export const title = "Cost of a connection, by their number";
export const method =
  `Watched and unwatched in a process each, at the same time, grown from step to step. Heap: after collections, beyond the program without connections and the ` +
  `same connections unwatched, shared out to all. Processor time of the process over ${WINDOW_MS / 1000} s, idle, beyond unwatched; system calls by strace ` +
  "in a window of their own. The ratio is to the cost at the smallest number that is told.";

export async function measure({ steps = [1000, 2000, 4000, 8000, 15_000] } = {}) {
  const meet = meetingOf(SUBJECTS.length);
  const [unwatched, watched] = await Promise.all(
    SUBJECTS.map((mechanism) => withPopulation(mechanism, (it) => grow(it, steps, meet))),
  );
  const rows = steps.map((connections, i) => ({
    connections,
    heapBytes:
      (watched.points[i].heapUsed -
        watched.empty.heapUsed -
        unwatched.points[i].heapUsed +
        unwatched.empty.heapUsed) /
      connections,
    cpuUs: watched.points[i].cpuUs - unwatched.points[i].cpuUs,
    syscalls: watched.points[i].syscalls,
  }));
  return { rows, watched, unwatched };
}

async function grow(population, steps, meet) {
  const empty = await population.ask("heap");
  const points = [];
  let held = 0;
  for (const connections of steps) {
    await population.connect(connections - held);
    held = connections;
    await population.ask("heap"); // what connecting left behind is not collected in the window
    await sleep(SETTLED_AFTER_MS);
    await meet();
    const { us, ms } = await population.ask("cpu", WINDOW_MS);
    await meet();
    const syscalls = await countSyscalls(population.pids[0], WORST_CASE_MS);
    const { heapUsed } = await population.ask("heap");
    points.push({
      connections,
      heapUsed,
      cpuUs: (us / connections / ms) * 1000,
      syscalls: syscalls && (syscalls.total / connections / WORST_CASE_MS) * 1000,
    });
  }
  return { empty, points };
}

export function table({ rows }) {
  const [smallest] = rows;
  return [
    [
      "connections",
      "processor time / smallest",
      "heap / smallest",
      "processor time",
      "heap",
      "system calls",
    ],
    ...rows.map(({ connections, heapBytes, cpuUs, syscalls }) => [
      String(connections),
      (cpuUs / smallest.cpuUs).toFixed(2),
      (heapBytes / smallest.heapBytes).toFixed(2),
      `${cpuUs.toFixed(2)} us/s`,
      `${Math.round(heapBytes)} B`,
      syscalls === null ? "" : `${syscalls.toFixed(2)} /s`,
    ]),
  ];
}

export function targets({ rows }) {
  const [smallest, largest] = [rows[0], rows.at(-1)];
  return [
    ["processor time", "cpuUs"],
    ["heap", "heapBytes"],
  ].map(([what, name]) => {
    const ratio = largest[name] / smallest[name];
    return {
      what: `${what} of a connection, ${largest.connections} / ${smallest.connections}`,
      measured: ratio.toFixed(2),
      target: `<= ${1 + FLAT}`,
      isMet: ratio <= 1 + FLAT,
    };
  });
}
