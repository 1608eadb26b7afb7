// Process 1 of namespaces of its own: holds many connections, audits them with and without the sweep, and prints what was found.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

const PAIRS = 1600;
const file = (path) => fileURLToPath(new URL(path, import.meta.url));
execFileSync("ip", ["link", "set", "lo", "up"]);
const holder = spawn(process.execPath, [file("../../bench/audit/fill.mjs"), String(PAIRS)], { stdio: ["pipe", "pipe", "inherit"] });
await once(holder.stdout, "data");

function audited(mask) {
  const trace = `/tmp/halfopen-trace-${holder.pid}-${process.hrtime.bigint()}`;
  const command = [
    "-f",
    "-qq",
    "--seccomp-bpf",
    "-e",
    "trace=bpf,pidfd_getfd",
    "-o",
    trace,
    process.execPath,
    file("../../dist/cli/main.js"),
  ];
  const { stdout } = spawnSync("strace", [...command, "audit", "--json"], {
    env: { ...process.env, HALFOPEN_MASK: mask },
    encoding: "utf8",
    maxBuffer: 2 ** 27,
  });
  const calls = readFileSync(trace, "utf8").split("\n");
  rmSync(trace);
  const count = (name) => calls.filter((line) => line.includes(`${name}(`)).length;
  // What changes from one look to the next is left out.
  const connections = JSON.parse(stdout).connections.map(({ local, pid, fd, process: name, keepalive, userTimeoutMs, settingsFrom }) => {
    return [local, pid, fd, name, JSON.stringify(keepalive), userTimeoutMs, settingsFrom].join(" ");
  });
  return { connections: connections.sort(), bpf: count("bpf"), duplicates: count("pidfd_getfd") };
}

const [swept, searched] = [audited(""), audited("bpf")];
holder.stdin.end();
const differing = swept.connections.filter((line, index) => line !== searched.connections[index]);
console.log(
  JSON.stringify({
    connections: [swept.connections.length, searched.connections.length],
    differing: differing.slice(0, 5),
    settingsRead: swept.connections.filter((line) => line.endsWith(" read")).length,
    swept: { bpf: swept.bpf, duplicates: swept.duplicates },
    searched: { bpf: searched.bpf, areDuplicated: searched.duplicates >= 2 * PAIRS },
  }),
);
