/**
 * Notes the counters of one connection: `node kernel-model.mjs serve` there,
 * `node kernel-model.mjs HOST SCENE` here. Prints "connected". At the line "cut" it begins to note
 * every change of its counters. After the scene's time it prints them as one line of JSON.
 */
import { once } from "node:events";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { readTcpInfo, setKeepalive, setUserTimeout } from "../../../dist/index.js";
import { applyRtoMax } from "../../../dist/kernel/options/rto-max.js";
import { DEAF_PORT, READING_PORT, servePeers } from "../../setup/peers.mjs";

const COUNTERS = ["probes", "retransmits", "backoff", "totalRetransmits"];
/** Earlier probes are too close together for each to be answered. */
const RARE_BACKOFF = 4;
const [, , host, argument] = process.argv;

if (host === "serve") await servePeers();
else await note(JSON.parse(argument));

/** Fills the peer's buffers, and waits until its kernel has just answered a rare window probe. */
async function closeWindow(socket) {
  for (let i = 0; i < 400; i++) socket.write("x".repeat(65_536));
  for (;;) {
    const { backoff, lastAckReceivedMs, probes } = readTcpInfo(socket);
    if (backoff >= RARE_BACKOFF && probes === 0 && lastAckReceivedMs < 40) return;
    await sleep(5);
  }
}

async function note({ options, writeAtMs, nudgeAtMs, isBlocked, forMs }) {
  const socket = connect(isBlocked ? DEAF_PORT : READING_PORT, host).on("error", () => {});
  await once(socket, "connect");
  socket.resume().write("once");
  const { keepalive, idleMs, intervalMs, count, userTimeoutMs, rtoMaxMs } = options;
  if (keepalive) setKeepalive(socket, { idleMs, intervalMs, count });
  if (userTimeoutMs) setUserTimeout(socket, userTimeoutMs);
  if (rtoMaxMs) applyRtoMax(socket._handle.fd, rtoMaxMs);
  if (isBlocked) await closeWindow(socket);
  else await sleep(1500);
  console.log("connected");

  const lines = createInterface({ input: process.stdin });
  await once(lines, "line");
  const from = performance.now();
  const changes = [];
  const first = readTcpInfo(socket);
  let before = first;
  let isWritten = false;
  let isNudged = false;
  for (let atMs = 0; atMs < forMs; atMs = performance.now() - from) {
    if (writeAtMs !== undefined && !isWritten && atMs >= writeAtMs) isWritten = socket.write("x");
    if (nudgeAtMs !== undefined && !isNudged && atMs >= nudgeAtMs) {
      setKeepalive(socket, { idleMs: 1000, intervalMs, count });
      isNudged = true;
    }
    let info;
    try {
      info = readTcpInfo(socket);
    } catch {
      info = { state: "CLOSE" };
    }
    const changed = COUNTERS.filter((name) => (info[name] ?? 0) > (before[name] ?? 0));
    const { rtoMs } = info;
    for (const name of changed) changes.push({ name, value: info[name], atMs, rtoMs });
    if (info.state === "CLOSE") {
      changes.push({ name: "end", value: 1, atMs });
      break;
    }
    before = info;
    await sleep(10);
  }
  console.log(JSON.stringify({ ageMs: first.lastAckReceivedMs, backoff: first.backoff, changes }));
  process.exit(0);
}
