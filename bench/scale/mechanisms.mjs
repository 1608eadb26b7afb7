// What people use to find dead peers, each as its documentation says, set to the same worst-case
// detection time of 5 s.
import { createServer as createHttpServer } from "node:http";
import { createServer } from "node:net";
import { Server as EngineServer } from "engine.io";
import { WebSocketServer } from "ws";
import { setKeepalive, watch, watchServer } from "../../dist/index.js";
import { tcpInfoShelf } from "../../dist/kernel/tcp-info/shelf.js";

export const WORST_CASE_MS = 5000;
/**
 * Sockets begin with a closer look than routine, and the probes of thousands that were opened at
 * once are spread: in the first 15 s those cost up to twice as much time as from then on, and as
 * much memory as happens to be open.
 */
export const SETTLED_AFTER_MS = 4 * WORST_CASE_MS;

/** A budget too short for keepalive, and how often a program that wants it pings by hand. */
export const QUICK_MS = 500;
const QUICK_PING_MS = 100;

/**
 * `base`: the same connection with nobody watching it, which every figure is compared with. `peer`:
 * how peers.mjs connects and answers.
 */
export const MECHANISMS = {
  tcp: { title: "TCP, unwatched", base: "tcp", peer: "tcp", serve: () => tcp() },
  keepalive: {
    title: "kernel keepalive alone (floor)",
    base: "tcp",
    peer: "tcp",
    serve: () => tcp(keepalive),
  },
  write: {
    title: "setInterval + write, one each",
    base: "tcp",
    peer: "tcp",
    serve: () => tcp(writeEach),
  },
  bareRead: {
    title: "TCP_INFO read, nothing else",
    base: "tcp",
    peer: "tcp",
    serve: () => tcp(readEach),
  },
  watch: { title: "halfopen watch(socket)", base: "tcp", peer: "tcp", serve: () => tcp(watchEach) },
  watchServer: {
    title: "halfopen watchServer",
    base: "tcp",
    peer: "tcp",
    serve: () => tcp(null, watchAll),
  },
  ws: { title: "ws, unwatched", base: "ws", peer: "ws", serve: () => ws() },
  wsRecipe: {
    title: "ws, heartbeat of its README",
    base: "ws",
    peer: "ws",
    serve: () => ws(recipe),
  },
  wsWatch: {
    title: "ws, halfopen watchServer",
    base: "ws",
    peer: "ws",
    serve: () => ws(null, watchAll),
  },
  engine: {
    title: "engine.io, no ping",
    base: "engine",
    peer: "engine",
    serve: () => engine(NEVER_MS, WORST_CASE_MS),
  },
  // As long an interval as leaves an outage the time that watch promises to survive: 0.4 of the
  // worst case.
  enginePing: {
    title: "engine.io, ping",
    base: "engine",
    peer: "engine",
    serve: () => engine(0.6 * WORST_CASE_MS, 0.4 * WORST_CASE_MS),
  },
};

/** The same for a budget too short for keepalive (quick.mjs). */
export const QUICK_MECHANISMS = {
  quickPing: {
    title: `ping every ${QUICK_PING_MS} ms by hand`,
    base: "tcp",
    peer: "tcp",
    serve: () => tcp(pingEach),
  },
  quickWatch: {
    title: `halfopen watch(socket) at ${QUICK_MS} ms with a heartbeat`,
    base: "tcp",
    peer: "tcp",
    serve: () => tcp(watchQuickly),
  },
};

export const ALL_MECHANISMS = { ...MECHANISMS, ...QUICK_MECHANISMS };

const NEVER_MS = 2_000_000_000;
const BACKLOG = 4096;
const settings = { detectWithinMs: WORST_CASE_MS };

function tcp(onSocket = null, onServer = null) {
  const server = createServer((socket) => {
    socket.on("error", () => {}).resume();
    onSocket?.(socket);
  });
  onServer?.(server);
  return server.listen(0, "127.0.0.1", BACKLOG);
}

/** Idle 2 s, then every 1 s, 3 unanswered: 5 s. */
function keepalive(socket) {
  setKeepalive(socket, { idleMs: 2000, intervalMs: 1000, count: 3 });
}

/**
 * As it is written by hand: silent at two ticks in a row is dead, so the worst case is two
 * intervals, and the peer answers what it gets.
 */
function writeEach(socket) {
  let isAlive = true;
  socket.on("data", () => {
    isAlive = true;
  });
  const timer = setInterval(() => {
    if (!isAlive) return socket.destroy();
    isAlive = false;
    socket.write("?");
  }, WORST_CASE_MS / 2);
  socket.on("close", () => clearInterval(timer));
}

/** Silent for the budget is dead: as it is written by hand. */
function pingEach(socket) {
  socket.setNoDelay();
  let answeredAt = performance.now();
  socket.on("data", () => {
    answeredAt = performance.now();
  });
  const timer = setInterval(() => {
    if (performance.now() - answeredAt > QUICK_MS) return socket.destroy();
    socket.write("?");
  }, QUICK_PING_MS);
  socket.on("close", () => clearInterval(timer));
}

function watchQuickly(socket) {
  socket.setNoDelay();
  const waiting = [];
  socket.on("data", () => {
    for (const settle of waiting.splice(0)) settle();
  });
  const heartbeat = () => {
    socket.write("?");
    return new Promise((resolve) => waiting.push(resolve));
  };
  watch(socket, { detectWithinMs: QUICK_MS, heartbeat }).on("dead", countFalseAlarm);
}

/**
 * What remains when all of ours is left out: keepalive, and each connection's TCP_INFO read as
 * often as watch reads it.
 */
const LOOK_EVERY_MS = 2270;
const BATCH_EVERY_MS = 40;
const read = [];
function readEach(socket) {
  keepalive(socket);
  read.push(socket._handle.fd);
  if (read.length > 1) return;
  let next = 0;
  let sumMs = 0;
  setInterval(() => {
    sumMs += BATCH_EVERY_MS;
    for (; next < (read.length * sumMs) / LOOK_EVERY_MS; next++)
      tcpInfoShelf.read(read[next % read.length]);
  }, BATCH_EVERY_MS);
}

function watchEach(socket) {
  watch(socket, settings).on("dead", countFalseAlarm);
}

function watchAll(server) {
  watchServer(server, settings).on("dead", countFalseAlarm);
}

export const alarms = { count: 0, last: null };
function countFalseAlarm(diagnosis) {
  if (diagnosis.cause === "peer-reset") return; // the peers' program ended
  alarms.count++;
  alarms.last = diagnosis.why.join("; ");
}

function ws(onServer = null, onHttpServer = null) {
  const http = createHttpServer();
  const server = new WebSocketServer({ server: http });
  server.on("connection", (socket) => socket.on("error", () => {}));
  onServer?.(server);
  onHttpServer?.(http);
  return http.listen(0, "127.0.0.1", BACKLOG);
}

/**
 * github.com/websockets/ws, README, "How to detect and close broken connections?", with 2.5 s in
 * place of 30 s: found at the second tick.
 */
function recipe(wss) {
  function heartbeat() {
    this.isAlive = true;
  }
  wss.on("connection", (socket) => {
    socket.isAlive = true;
    socket.on("pong", heartbeat);
  });
  setInterval(() => {
    for (const socket of wss.clients) {
      if (socket.isAlive === false) {
        socket.terminate();
        continue;
      }
      socket.isAlive = false;
      socket.ping();
    }
  }, WORST_CASE_MS / 2);
}

function engine(pingInterval, pingTimeout) {
  const http = createHttpServer();
  const server = new EngineServer({ pingInterval, pingTimeout, transports: ["websocket"] });
  server.attach(http);
  return http.listen(0, "127.0.0.1", BACKLOG);
}
