// Process 1 of namespaces of its own: holds many connections, audits them with and without the sweep, and prints what was found and by which calls.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

const PAIRS = 1600;
const file = (path) => fileURLToPath(new URL(path, import.meta.url));
execFileSync("ip", ["link", "set", "lo", "up"]);
const holder = spawn(process.execPath, [file("../../bench/audit/fill.mjs"), String(PAIRS)], { stdio: ["pipe", "pipe", "inherit"] });
await once(holder.stdout, "data");

const COUNTED = { loads: "bpf(BPF_PROG_LOAD", runs: "bpf(BPF_ITER_CREATE", duplicates: "pidfd_getfd(" };

/** Runs a command of halfopen to its end, or until `isEnough` of what it has printed. Returns that and the calls it made. */
async function traced(args, mask, isEnough = () => false) {
  const trace = `/tmp/halfopen-trace-${holder.pid}-${process.hrtime.bigint()}`;
  const strace = ["-f", "-qq", "--seccomp-bpf", "-e", "trace=bpf,pidfd_getfd", "-o", trace];
  const command = [...strace, process.execPath, file("../../dist/cli/main.js"), ...args];
  const env = { ...process.env, HALFOPEN_MASK: mask };
  const child = spawn("strace", command, { env, stdio: ["ignore", "pipe", "ignore"] });
  let stdout = "";
  child.stdout.setEncoding("utf8").on("data", (text) => {
    stdout += text;
    if (isEnough(stdout)) child.stdout.destroy(); // the next line finds no reader, which ends the command
  });
  await once(child, "exit");
  const calls = readFileSync(trace, "utf8").split("\n");
  rmSync(trace);
  const count = (call) => calls.filter((line) => line.includes(call)).length;
  return { stdout, calls: Object.fromEntries(Object.entries(COUNTED).map(([name, call]) => [name, count(call)])) };
}

async function audited(mask) {
  const { stdout, calls } = await traced(["audit", "--json"], mask);
  // What changes from one look to the next is left out.
  const connections = JSON.parse(stdout).connections.map(({ local, pid, fd, process: name, keepalive, userTimeoutMs, settingsFrom }) => {
    return [local, pid, fd, name, JSON.stringify(keepalive), userTimeoutMs, settingsFrom].join(" ");
  });
  return { connections: connections.sort(), calls };
}

const swept = await audited("");
const searched = await audited("bpf");
const others = [];
for (const args of [
  ["explain", ":1"],
  ["system", "--json"],
])
  others.push((await traced(args, "")).calls.loads);
const watched = (await traced(["audit", "--watch", "--json", "--every", "200ms"], "", (text) => text.split("\n").length > 2)).calls;
holder.stdin.end();
const differing = swept.connections.filter((line, index) => line !== searched.connections[index]);
console.log(
  JSON.stringify({
    connections: [swept.connections.length, searched.connections.length],
    differing: differing.slice(0, 5),
    settingsRead: swept.connections.filter((line) => line.endsWith(" read")).length,
    swept: swept.calls,
    searched: { loads: searched.calls.loads, areDuplicated: searched.calls.duplicates >= 2 * PAIRS },
    watched: { loads: watched.loads, runsAgain: watched.runs >= 2, duplicates: watched.duplicates },
    loadsOfOthers: others,
  }),
);
