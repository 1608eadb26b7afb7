/**
 * Watches COUNT connections that were all opened at once: `node probe-crowd.mjs COUNT`. Prints one
 * JSON object: how long opening them took, and how many times its fair share of the kernel's probes
 * the busiest fifth of a second gets.
 */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { watchServer } from "../../dist/index.js";

const count = Number(process.argv[2]);
/**
 * The smallest budget: the kernel probes after one second of silence, and no probe can be sent
 * before.
 */
const BUDGET_MS = 2500;
const PERIOD_MS = 1000;
const PARTS = 5;
const AT_A_TIME = 200;
const LATER_MS = 5000;

function probesSent() {
  const [names, values] = readFileSync("/proc/net/netstat", "utf8")
    .split("\n")
    .filter((line) => line.startsWith("TcpExt"));
  return Number(values.split(" ")[names.split(" ").indexOf("TCPKeepAlive")]);
}

async function busiestShare() {
  const counts = new Array(PARTS).fill(0);
  let before = probesSent();
  for (let part = 0; part < 3 * PARTS; part++) {
    await sleep(PERIOD_MS / PARTS);
    const now = probesSent();
    counts[part % PARTS] += now - before;
    before = now;
  }
  return (Math.max(...counts) * PARTS) / counts.reduce((sum, it) => sum + it, 0);
}

const server = createServer((socket) => socket.on("error", () => {}).resume());
let deaths = 0;
watchServer(server, { detectWithinMs: BUDGET_MS }).on("dead", () => deaths++);
server.listen(0, "127.0.0.1", 4096);
await once(server, "listening");
const started = performance.now();
for (let left = count; left > 0; left -= AT_A_TIME) {
  const sockets = Array.from({ length: AT_A_TIME }, () =>
    connect(server.address().port, "127.0.0.1").on("error", () => {}),
  );
  await Promise.all(sockets.map((socket) => once(socket, "connect")));
}
const openedInMs = Math.round(performance.now() - started);
await sleep(LATER_MS);
console.log(JSON.stringify({ openedInMs, busiest: await busiestShare(), deaths }));
process.exit();
