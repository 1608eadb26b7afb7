// (b) Processor time of an idle connection at equal worst-case detection time.
import { setTimeout as sleep } from "node:timers/promises";
import { machineCpu, machineCpuSince } from "./machine-cpu.mjs";
import { MECHANISMS, WORST_CASE_MS } from "./mechanisms.mjs";
import { withPopulation } from "./population.mjs";
import { mean, median } from "./statistics.mjs";
import { countSyscalls } from "./syscalls.mjs";

/** A multiple of the periods in play: 1, 2.5 and 5 s. */
const WINDOW_MS = 5000;
const QUIET_WINDOWS = 3;
const MOST_WINDOWS = 5;

export const title = "Processor time of an idle connection";
export const method =
  `Worst-case detection ${WORST_CASE_MS / 1000} s for all; peers in another process on loopback. Process: process.cpuUsage over windows of ` +
  `${WINDOW_MS / 1000} s. Machine: busy ticks of /proc/stat less those of foreign processes and less the same window without connections, in windows in which no ` +
  "foreign process began; it holds the peers' program too. `net` is less the same connections unwatched. Median of the rounds, whose order " +
  "changes. System calls a connection and second: counted by strace in a window of its own; blank where there is no strace.";

export async function measure({ connections = 8000, rounds = 1, only = Object.keys(MECHANISMS) } = {}) {
  const idleMsPerMs = await idleMachine();
  const samples = new Map(only.map((mechanism) => [mechanism, []]));
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < only.length; i++) {
      const mechanism = only[(i + round) % only.length];
      samples.get(mechanism).push(await withPopulation(mechanism, (population) => sample(population, connections, idleMsPerMs)));
    }
  }
  const rows = only.map((mechanism) => {
    const own = samples.get(mechanism);
    const middle = (field) => median(own.map((each) => each[field]));
    return { mechanism, processUs: middle("processUs"), machineUs: middle("machineUs"), syscalls: own[0].syscalls, samples: own };
  });
  return { connections, rounds, idleMsPerMs, rows: rows.map((row) => ({ ...row, ...net(row, rows) })) };
}

async function sample(population, connections, idleMsPerMs) {
  await population.connect(connections);
  // What connecting left behind is not collected in the windows; and sockets begin with a closer look than routine: all must be past it.
  await population.ask("heap");
  await sleep(WORST_CASE_MS * 1.5);
  const windows = await inWindows(population.pids, () => population.ask("cpu", WINDOW_MS));
  const perConnectionSecond = (us) => (us / connections / WINDOW_MS) * 1000;
  const syscalls = await countSyscalls(population.pids[0], WINDOW_MS);
  return {
    processUs: perConnectionSecond(mean(windows.map(({ done }) => done.us))),
    machineUs: perConnectionSecond((machineMs(windows) - idleMsPerMs * WINDOW_MS) * 1000),
    quietWindows: windows.filter(({ isQuiet }) => isQuiet).length,
    syscalls: syscalls && { perConnectionSecond: syscalls.total / connections / (WINDOW_MS / 1000), ...syscalls },
  };
}

async function idleMachine() {
  return machineMs(await inWindows([], () => sleep(WINDOW_MS))) / WINDOW_MS;
}

/** Goes on until enough windows were quiet, but not for ever. */
async function inWindows(pids, work) {
  const windows = [];
  while (windows.length < MOST_WINDOWS && windows.filter(({ isQuiet }) => isQuiet).length < QUIET_WINDOWS) {
    const before = machineCpu();
    const done = await work();
    windows.push({ done, ...machineCpuSince(before, [process.pid, ...pids]) });
  }
  return windows;
}

/** Of the quiet windows; where there were none, the one with the least foreign work. */
function machineMs(windows) {
  const quiet = windows.filter(({ isQuiet }) => isQuiet);
  if (quiet.length > 0) return mean(quiet.map(({ busyMs }) => busyMs));
  return windows.reduce((least, window) => (window.foreignMs < least.foreignMs ? window : least)).busyMs;
}

function net(row, rows) {
  const base = rows.find(({ mechanism }) => mechanism === MECHANISMS[row.mechanism].base);
  return base ? { netProcessUs: row.processUs - base.processUs, netMachineUs: row.machineUs - base.machineUs } : {};
}

export function table({ rows }) {
  const recipe = rows.find(({ mechanism }) => mechanism === "wsRecipe");
  const ratio = (own, its) => (its === undefined || own === undefined ? "" : (own / its).toFixed(3));
  return [
    [
      "",
      "net process / ws recipe",
      "net machine / ws recipe",
      "net process",
      "net machine",
      "process",
      "machine",
      "system calls",
      "quiet windows",
    ],
    ...rows.map((row) => [
      MECHANISMS[row.mechanism].title,
      MECHANISMS[row.mechanism].base === row.mechanism ? "" : ratio(row.netProcessUs, recipe?.netProcessUs),
      MECHANISMS[row.mechanism].base === row.mechanism ? "" : ratio(row.netMachineUs, recipe?.netMachineUs),
      us(row.netProcessUs),
      us(row.netMachineUs),
      us(row.processUs),
      us(row.machineUs),
      row.syscalls ? `${row.syscalls.perConnectionSecond.toFixed(2)}` : "",
      row.samples.map(({ quietWindows }) => quietWindows).join(" "),
    ]),
  ];
}

/** Per connection and second. */
function us(value) {
  return value === undefined ? "" : `${value.toFixed(2)} us/s`;
}
