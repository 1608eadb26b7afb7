// (b) Processor time of an idle connection at equal worst-case detection time.
import { setTimeout as sleep } from "node:timers/promises";
import { machineCpu, machineCpuSince } from "./machine-cpu.mjs";
import { MECHANISMS, SETTLED_AFTER_MS, WORST_CASE_MS } from "./mechanisms.mjs";
import { withPopulation } from "./population.mjs";
import { mean, median } from "./statistics.mjs";
import { countSyscalls } from "./syscalls.mjs";

/**
 * A multiple of most of the periods in play (1, 2, 2.5, 3 and 5 s): connections that were probed
 * together would count twice in one and three times in the next.
 */
const WINDOW_MS = 10_000;
const QUIET_WINDOWS = 3;
const MOST_WINDOWS = 6;

const MOST_OF_RECIPE = 0.25;

export const title = "Processor time of an idle connection";
export const method =
  `Worst-case detection ${WORST_CASE_MS / 1000} s for all; peers in another process on loopback, connected evenly over as long; one mechanism at a time, in windows of ` +
  `${WINDOW_MS / 1000} s. Process: process.cpuUsage, the median of the windows. Machine: what was not idle in those in which no foreign process began, less what ` +
  "foreign processes used and less the same without connections; it holds the peers' program too. `net` is less the same connections unwatched. System calls a " +
  "connection and second: counted by strace in a window of its own; blank where there is no strace.";

export async function measure({ connections = 8000, only = Object.keys(MECHANISMS) } = {}) {
  const idleMs = machineMs(await inWindows([], () => sleep(WINDOW_MS)));
  const rows = [];
  for (const mechanism of only)
    rows.push({
      mechanism,
      ...(await withPopulation(mechanism, (it) => alone(it, connections, idleMs))),
    });
  return { connections, idleMs, rows: rows.map((row) => ({ ...row, ...net(row, rows) })) };
}

async function alone(population, connections, idleMs) {
  // Over one period of what asks, as connections come that are not opened by a bench: those probed
  // together cost less each.
  await population.connect(connections, WORST_CASE_MS);
  await population.ask("heap"); // what connecting left behind is not to be collected in the windows
  await sleep(SETTLED_AFTER_MS);
  const windows = await inWindows(population.pids, () => population.ask("cpu", WINDOW_MS));
  const syscalls = await countSyscalls(population.pids[0], WORST_CASE_MS);
  return {
    processUs: median(windows.map(({ did: { us, ms } }) => (us / connections / ms) * 1000)),
    machineUs: ((machineMs(windows) - idleMs) * 1_000_000) / connections / WINDOW_MS,
    quietWindows: windows.filter(({ isQuiet }) => isQuiet).length,
    syscalls: syscalls && {
      perConnectionSecond: (syscalls.total / connections / WORST_CASE_MS) * 1000,
      ...syscalls,
    },
  };
}

/** Goes on until enough windows were quiet, but not for ever. */
async function inWindows(pids, work) {
  const windows = [];
  while (
    windows.length < MOST_WINDOWS &&
    windows.filter(({ isQuiet }) => isQuiet).length < QUIET_WINDOWS
  ) {
    const before = machineCpu();
    const did = await work();
    windows.push({ ...machineCpuSince(before, [process.pid, ...pids]), did });
  }
  return windows;
}

/**
 * Of the quiet windows; NaN where there were none: what the others did cannot be told from what we
 * did.
 */
function machineMs(windows) {
  return mean(windows.filter(({ isQuiet }) => isQuiet).map(({ busyMs }) => busyMs));
}

function net(row, rows) {
  const base = rows.find(({ mechanism }) => mechanism === MECHANISMS[row.mechanism].base);
  return base
    ? { netProcessUs: row.processUs - base.processUs, netMachineUs: row.machineUs - base.machineUs }
    : {};
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
      MECHANISMS[row.mechanism].base === row.mechanism
        ? ""
        : ratio(row.netProcessUs, recipe?.netProcessUs),
      MECHANISMS[row.mechanism].base === row.mechanism
        ? ""
        : ratio(row.netMachineUs, recipe?.netMachineUs),
      us(row.netProcessUs),
      us(row.netMachineUs),
      us(row.processUs),
      us(row.machineUs),
      row.syscalls ? `${row.syscalls.perConnectionSecond.toFixed(2)}` : "",
      String(row.quietWindows),
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
