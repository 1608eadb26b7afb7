// (b) Processor time of an idle connection at equal worst-case detection time.
import { setTimeout as sleep } from "node:timers/promises";
import { machineCpu, machineCpuSince } from "./machine-cpu.mjs";
import { MECHANISMS, SETTLED_AFTER_MS, WORST_CASE_MS } from "./mechanisms.mjs";
import { meetingOf } from "./meeting.mjs";
import { withPopulation } from "./population.mjs";
import { mean } from "./statistics.mjs";
import { countSyscalls } from "./syscalls.mjs";

/** A multiple of the periods in play: 1, 2.5, 3 and 5 s. */
const PROCESS_WINDOW_MS = 30_000;
/** Short, so that some are undisturbed. */
const MACHINE_WINDOW_MS = 5000;
const QUIET_WINDOWS = 4;
const MOST_WINDOWS = 8;

const MOST_OF_RECIPE = 0.25;

export const title = "Processor time of an idle connection";
export const method =
  `Worst-case detection ${WORST_CASE_MS / 1000} s for all; peers in other processes on loopback. Process: process.cpuUsage over ` +
  `${PROCESS_WINDOW_MS / 1000} s, all mechanisms at the same time, each in a process of its own. Machine: one mechanism at a time, what was not idle ` +
  `in windows of ${MACHINE_WINDOW_MS / 1000} s in which no foreign process began, less what foreign processes used and less the same without connections; it ` +
  "holds the peers' program too. `net` is less the same connections unwatched. System calls a connection and second: counted by strace in " +
  "a window of its own; blank where there is no strace.";

export async function measure({ connections = 8000, only = Object.keys(MECHANISMS), machine = only } = {}) {
  const ready = meetingOf(only.length);
  const together = await Promise.all(
    only.map((mechanism) => withPopulation(mechanism, (population) => inProcess(population, connections, ready))),
  );
  const idleMs = machineMs(await inWindows([], () => sleep(MACHINE_WINDOW_MS)));
  const rows = [];
  for (const [i, mechanism] of only.entries()) {
    const alone = machine.includes(mechanism) ? await withPopulation(mechanism, (it) => onMachine(it, connections, idleMs)) : null;
    rows.push({ mechanism, ...together[i], ...alone });
  }
  return { connections, idleMs, rows: rows.map((row) => ({ ...row, ...net(row, rows) })) };
}

async function settle(population, connections) {
  await population.connect(connections);
  await population.ask("heap"); // what connecting left behind is not to be collected in the windows
  await sleep(SETTLED_AFTER_MS);
}

async function inProcess(population, connections, ready) {
  await settle(population, connections);
  await ready();
  const { us, ms } = await population.ask("cpu", PROCESS_WINDOW_MS);
  await ready();
  const syscalls = await countSyscalls(population.pids[0], WORST_CASE_MS);
  return {
    processUs: (us / connections / ms) * 1000,
    syscalls: syscalls && { perConnectionSecond: (syscalls.total / connections / WORST_CASE_MS) * 1000, ...syscalls },
  };
}

async function onMachine(population, connections, idleMs) {
  await settle(population, connections);
  const windows = await inWindows(population.pids, () => sleep(MACHINE_WINDOW_MS));
  return {
    machineUs: ((machineMs(windows) - idleMs) * 1_000_000) / connections / MACHINE_WINDOW_MS,
    quietWindows: windows.filter(({ isQuiet }) => isQuiet).length,
  };
}

/** Goes on until enough windows were quiet, but not for ever. */
async function inWindows(pids, work) {
  const windows = [];
  while (windows.length < MOST_WINDOWS && windows.filter(({ isQuiet }) => isQuiet).length < QUIET_WINDOWS) {
    const before = machineCpu();
    await work();
    windows.push({ ...machineCpuSince(before, [process.pid, ...pids]) });
  }
  return windows;
}

/** Of the quiet windows; NaN where there were none: what the others did cannot be told from what we did. */
function machineMs(windows) {
  return mean(windows.filter(({ isQuiet }) => isQuiet).map(({ busyMs }) => busyMs));
}

function net(row, rows) {
  const base = rows.find(({ mechanism }) => mechanism === MECHANISMS[row.mechanism].base);
  return base ? { netProcessUs: row.processUs - base.processUs, netMachineUs: row.machineUs - base.machineUs } : {};
}

export function table({ rows }) {
  const recipe = rows.find(({ mechanism }) => mechanism === "wsRecipe");
  const ratio = (own, its) => (Number.isFinite(own / its) === false ? "" : (own / its).toFixed(3));
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
      String(row.quietWindows ?? ""),
    ]),
  ];
}

/** Per connection and second. */
function us(value) {
  return value === undefined || Number.isNaN(value) ? "" : `${value.toFixed(2)} us/s`;
}

export function targets({ rows }) {
  const find = (mechanism) => rows.find((row) => row.mechanism === mechanism);
  const [own, recipe] = [find("watchServer"), find("wsRecipe")];
  return [
    ["process", "netProcessUs"],
    ["machine", "netMachineUs"],
  ].map(([whose, name]) => {
    const ratio = own[name] / recipe[name];
    return {
      what: `processor time of the ${whose}, watchServer / ws recipe`,
      measured: Number.isNaN(ratio) ? "the machine was never quiet" : ratio.toFixed(3),
      target: `<= ${MOST_OF_RECIPE}`,
      isMet: Number.isNaN(ratio) ? null : ratio <= MOST_OF_RECIPE,
    };
  });
}
