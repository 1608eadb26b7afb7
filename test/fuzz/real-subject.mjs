/**
 * Our program in real worlds: `node real-subject.mjs HOST PORT WORLD`. Connects and watches, prints
 * `{"ports"}`, waits for a line with the instant at which the world begins, then does what the world
 * has it do, and prints each word of the watches as a line of JSON.
 */
import { once } from "node:events";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { setKeepalive, setUserTimeout, watch } from "../../dist/index.js";

const [, , host, port, description] = process.argv;
const world = JSON.parse(description);
const { budgetMs, onDead, program } = world;
const now = () => Number(process.hrtime.bigint()) / 1e6;
const tell = (word) => console.log(JSON.stringify(word));
/** What fills the buffers of both ends while the peer does not read. */
const BULK = "x".repeat(65_536);
/** The product takes 250 ms for a stall. */
const STALL_MS = 200;
let from = now();
let isBegun = false;

/** When this process stood still: on a busy machine it does, and no word of it is false. */
const stalls = [];
let livedAt = now();
setInterval(() => {
  if (now() - livedAt > STALL_MS) stalls.push({ at: livedAt, to: now() });
  livedAt = now();
  if (isBegun) tellStalls();
}, 20);

function tellStalls() {
  for (const { at, to } of stalls.splice(0))
    tell({ stall: { is: "paused", atMs: at - from, toMs: to - from } });
}

async function open(talk, on) {
  const socket = connect({ host, port: Number(port) })
    .on("error", () => {})
    .resume();
  await once(socket, "connect");
  if (program.keepalive) {
    const { idleS, intervalS, count } = program.keepalive;
    setKeepalive(socket, { idleMs: 1000 * idleS, intervalMs: 1000 * intervalS, count });
  }
  if (program.userTimeoutMs > 0) setUserTimeout(socket, program.userTimeoutMs);
  socket.write(`${JSON.stringify({ on, ...talk })}\n`);
  const w = watch(socket, { detectWithinMs: budgetMs, onDead });
  for (const event of ["suspect", "overdue", "alive", "dead", "close"])
    w.on(event, (diagnosis) => tell(wordOf(on, event, diagnosis)));
  return { on, talk, socket, w };
}

function wordOf(on, event, { state, cause, certainty, silentForMs, why, evidence }) {
  const { unansweredAttempts: attempts, errorCode } = evidence;
  return {
    on,
    event,
    atMs: now() - from,
    state,
    cause,
    certainty,
    silentForMs,
    attempts,
    errorCode,
    why,
  };
}

const living = await Promise.all(world.connections.map(open));
tell({ ports: living.map(({ socket }) => socket.localPort) });
const [line] = await once(
  createInterface({ input: process.stdin }).on("close", () => process.exit(0)),
  "line",
);
const begin = JSON.parse(line);
from = begin.at;
isBegun = true;

const later = (atMs, work) => setTimeout(work, Math.max(0, from + atMs - now()));
const isUnread = (on, atMs) =>
  world.events.some(
    (it) => it.is === "unread" && it.on === on && atMs >= it.atMs && atMs < it.toMs,
  );

function write({ on, socket }) {
  if (socket.destroyed || socket.writableLength > 4 * BULK.length) return;
  socket.write(isUnread(on, now() - from) ? BULK : "a few bytes\n");
}

for (const one of living) {
  const { on, talk, socket, w } = one;
  if (talk.writeEveryMs > 0) {
    const timer = setInterval(() => write(one), talk.writeEveryMs);
    socket.on("close", () => clearInterval(timer));
  }
  for (const event of world.events) {
    if (event.on !== on) continue;
    if (event.is === "write") later(event.atMs, () => write(one));
    if (event.is === "keepalive")
      later(event.atMs, () => socket.setKeepAlive(event.idleS > 0, 1000 * event.idleS));
  }
  const goneMs = begin.goneAtMs[on];
  if (goneMs !== null)
    later(goneMs, () => tell({ on, detectWithinMs: w.applied?.detectWithinMs ?? null }));
  let isOver = false;
  w.on("dead", () => {
    isOver = true;
  }).on("close", () => {
    isOver = true;
  });
  setInterval(() => isOver || tell(wordOf(on, "now", w.diagnosis)), Math.max(500, budgetMs / 4));
}
