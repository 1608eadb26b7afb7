/**
 * Connections whose watch begins while nothing gets through: `node begun-in-silence.mjs serve`
 * there, `node begun-in-silence.mjs HOST COUNT` here, COUNT of each kind. Prints "connected". At
 * the line "cut" the program writes; at a line with a number a watch with that budget begins on
 * each; at the line "tell" each prints its state as one JSON line.
 */
import { once } from "node:events";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { readTcpInfo, setKeepalive, watch } from "../../dist/index.js";
import { DEAF_PORT, READING_PORT, servePeers } from "../setup/peers.mjs";

const BULK = "x".repeat(65_536);
const FIRST_BUDGET_MS = 60_000;

/** For each kind, what its program does when connected, and when the cable is out. */
const KINDS = {
  idle: {
    begin: (socket) => setKeepalive(socket, { idleMs: 2000, intervalMs: 1000, count: 60 }),
    cut() {},
  },
  "in flight": { begin() {}, cut: (socket) => socket.write("a small message\n") },
  "in flight, watched before": {
    begin: (socket) => watch(socket, { detectWithinMs: FIRST_BUDGET_MS }),
    cut: (socket) => socket.write("a small message\n"),
  },
  blocked: {
    port: DEAF_PORT,
    begin(socket) {
      const timer = setInterval(
        () => socket.writableLength < BULK.length && socket.write(BULK),
        20,
      );
      socket.on("close", () => clearInterval(timer));
    },
    cut() {},
  },
};

async function open(host, kind) {
  const { port = READING_PORT, begin, cut } = KINDS[kind];
  const socket = connect({ host, port });
  await once(socket, "connect");
  socket.resume();
  const one = { kind, socket, cut, code: null, deadAfterMs: null, why: null, nextAttemptMs: null };
  socket.on("error", (error) => {
    one.code = error.code;
  });
  begin(socket);
  return one;
}

function watchOne(one, detectWithinMs) {
  const { socket } = one;
  if (socket.destroyed) return;
  const { rtoMs = 0, lastDataSentMs = 0, unackedSegments = 0 } = readTcpInfo(socket);
  one.nextAttemptMs = unackedSegments > 0 ? rtoMs - lastDataSentMs : 0;
  const begunAt = performance.now();
  one.watcher = watch(socket, { detectWithinMs }).on("dead", ({ why }) => {
    one.deadAfterMs = performance.now() - begunAt;
    one.why = why;
  });
}

function told({ kind, code, deadAfterMs, why, nextAttemptMs, watcher }) {
  return JSON.stringify({
    kind,
    code,
    deadAfterMs,
    why,
    nextAttemptMs,
    state: watcher?.state ?? null,
  });
}

async function run(host, count) {
  const kinds = Object.keys(KINDS).flatMap((kind) => Array(count).fill(kind));
  const all = await Promise.all(kinds.map((kind) => open(host, kind)));
  createInterface({ input: process.stdin })
    .on("line", (line) => {
      if (line === "cut") for (const one of all) one.cut(one.socket);
      else if (line === "tell") console.log(`[${all.map(told).join(",")}]`);
      else for (const one of all) watchOne(one, Number(line));
    })
    .on("close", () => process.exit());
  console.log("connected");
}

const [first, second] = process.argv.slice(2);
if (first === "serve") await servePeers();
else await run(first, Number(second));
