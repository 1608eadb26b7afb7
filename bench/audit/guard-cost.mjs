// What a guard costs while nothing happens: processor time of the whole process from
// /proc/PID/stat, once every connection is taken over.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const file = (path) => fileURLToPath(new URL(path, import.meta.url));
const LARGEST_PERCENT = 3;
/** utime and stime of proc(5) count in these, whatever HZ is. */
const TICKS_A_SECOND = 100;

export const title = "Guard at rest";
export const method =
  "`halfopen guard --apply` with a budget of 10 s and a survey every 2 s, in a network namespace of its own where nothing dies. Processor time " +
  "of the whole process (utime + stime), as a share of one core, once it has settled in. Needs root.";

/**
 * `settling`, in seconds: longer than the first surveys, in which every connection is set, and V8
 * compiles.
 */
export async function measure({
  connections = 1000,
  sockets = 5000,
  seconds = 60,
  settling = 20,
} = {}) {
  const namespace = `halfopen-guard-${process.pid}`;
  const folder = mkdtempSync(join(tmpdir(), "halfopen-guard-"));
  const inside = ["nsenter", `--net=/run/netns/${namespace}`, "--"];
  const running = [];
  const start = (args, stdout) => {
    const child = spawn(inside[0], [...inside.slice(1), process.execPath, ...args], {
      stdio: ["pipe", stdout, "inherit"],
    });
    running.push(child);
    return child;
  };
  execFileSync("ip", ["netns", "add", namespace]);
  try {
    execFileSync("ip", ["-n", namespace, "link", "set", "lo", "up"]);
    const guarded = start([file("./fill.mjs"), String(connections / 2)], "pipe");
    const others = start([file("./fill.mjs"), String((sockets - connections) / 2)], "pipe");
    await Promise.all([once(guarded.stdout, "data"), once(others.stdout, "data")]);
    const rules = join(folder, "rules.json");
    const rule = {
      name: "bench",
      match: { pid: [guarded.pid] },
      "detect-within": "10s",
      loopback: true,
    };
    writeFileSync(rules, JSON.stringify({ rules: [rule] }));
    const guard = start(
      [file("../../dist/cli/main.js"), "guard", "--rules", rules, "--apply", "--json"],
      "pipe",
    );
    let set = 0;
    createInterface({ input: guard.stdout }).on("line", (line) => {
      if (line.includes('"action":"set"')) set++;
    });
    await sleep(1000 * settling);
    // Its listener too. A guard that has taken nothing over costs nothing, and would prove nothing.
    if (set < connections) throw new Error(`the guard set ${set} of ${connections} connections`);
    const before = processorSeconds(guard.pid);
    const startedAt = performance.now();
    await sleep(1000 * seconds);
    const usedS = processorSeconds(guard.pid) - before;
    const percent = (100_000 * usedS) / (performance.now() - startedAt);
    return { connections, sockets, seconds, percent, memoryMb: residentMb(guard.pid) };
  } finally {
    for (const child of running) child.kill("SIGTERM");
    await Promise.all(
      running.map((child) =>
        child.exitCode === null && child.signalCode === null ? once(child, "exit") : null,
      ),
    );
    execFileSync("ip", ["netns", "del", namespace]);
    rmSync(folder, { recursive: true });
  }
}

export function table({ connections, sockets, seconds, percent, memoryMb }) {
  return [
    ["guarded", "sockets in all", "seconds", "of one core", "a survey", "memory"],
    [
      String(connections),
      String(sockets),
      String(seconds),
      `${percent.toFixed(2)} %`,
      `${(percent * 20).toFixed(0)} ms`,
      `${memoryMb} MB`,
    ],
  ];
}

export function targets({ percent, connections, sockets }) {
  const what = `guard of ${connections} connections among ${sockets} sockets, survey every 2 s, share of one core`;
  return [
    {
      what,
      measured: `${percent.toFixed(2)} %`,
      target: `< ${LARGEST_PERCENT} %`,
      isMet: percent < LARGEST_PERCENT,
    },
  ];
}

/**
 * What stands behind the command's name, which may hold spaces: state is field 3 of proc(5), utime
 * 14, stime 15.
 */
function processorSeconds(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND;
}

function residentMb(pid) {
  const kilobytes = /^VmRSS:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Math.round(Number(kilobytes) / 1024);
}
