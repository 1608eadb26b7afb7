// Processor time of the whole machine. Softirq work is charged to no process, or to whichever
// happened to run.
import { readdirSync, readFileSync } from "node:fs";
import { cpus } from "node:os";

/** USER_HZ: what /proc counts in. */
const TICK_MS = 10;
const PROCESSORS = cpus().length;
/** The others' part of what is busy, or a little in all. */
const QUIET_SHARE = 0.2;
const QUIET_MS = 500;

/**
 * A reading to hand to {@link machineCpuSince}. Busy is what was not idle: the kernel times
 * idleness exactly, while its busy columns are sampled at ticks and miss whatever works in step
 * with them, as timers do.
 */
export function machineCpu() {
  const lines = readFileSync("/proc/stat", "utf8").split("\n");
  const [, , , idle, ioWait, , , steal] = lines[0].trim().split(/\s+/).slice(1).map(Number);
  const started = Number(lines.find((line) => line.startsWith("processes ")).split(" ")[1]);
  return {
    at: performance.now(),
    unusedMs: (idle + ioWait + steal) * TICK_MS,
    started,
    processes: processTimes(),
  };
}

/**
 * Busy ms of all processors since then, without what processes other than `own` used. What a
 * process used that began meanwhile may be lost: `isQuiet` says that none did, and that the others
 * used little.
 */
export function machineCpuSince(before, own) {
  const now = machineCpu();
  let foreignMs = 0;
  for (const [pid, ms] of now.processes)
    if (!own.includes(pid)) foreignMs += Math.max(0, ms - (before.processes.get(pid) ?? 0));
  const busyMs = (now.at - before.at) * PROCESSORS - (now.unusedMs - before.unusedMs);
  return {
    busyMs: busyMs - foreignMs,
    foreignMs,
    isQuiet: now.started === before.started && foreignMs < QUIET_SHARE * (busyMs + QUIET_MS),
  };
}

function processTimes() {
  const times = new Map();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      // The name may hold spaces and parentheses: fields are counted behind the last one. utime and
      // stime are fields 14 and 15.
      const fields = readFileSync(`/proc/${name}/stat`, "utf8").split(") ").at(-1).split(" ");
      times.set(Number(name), (Number(fields[11]) + Number(fields[12])) * TICK_MS);
    } catch {
      // gone between the listing and the reading
    }
  }
  return times;
}
