// (d) What one call costs: setting and reading keepalive, and reading TCP_INFO, beside
// net-keepalive and Node itself.
import { once } from "node:events";
import { connect, createServer } from "node:net";
import netKeepalive from "net-keepalive";
import { getKeepalive, readTcpInfo, setKeepalive } from "../../dist/index.js";
import { median } from "../scale/statistics.mjs";

const SOCKETS = 200;
const CALLS_A_ROUND = 10_000;
const TARGET_US = 2.5;

/**
 * `options`: how many socket options one call writes and reads. Node (libuv) writes interval and
 * count too, fixed ones.
 */
const SUBJECTS = {
  readTcpInfo: { title: "readTcpInfo", options: 1, call: (socket) => readTcpInfo(socket) },
  setKeepalive: {
    title: "setKeepalive, with what the kernel took",
    options: 8,
    call: (socket, idleMs) => setKeepalive(socket, { idleMs, intervalMs: 1000, count: 3 }),
  },
  core: {
    title: "Node's setKeepAlive",
    options: 4,
    call: (socket, idleMs) => socket.setKeepAlive(true, idleMs),
  },
  netKeepaliveSet: {
    title: "Node's setKeepAlive, net-keepalive's interval and count",
    options: 6,
    call(socket, idleMs) {
      socket.setKeepAlive(true, idleMs);
      netKeepalive.setKeepAliveInterval(socket, 1000);
      netKeepalive.setKeepAliveProbes(socket, 3);
    },
  },
  getKeepalive: { title: "getKeepalive", options: 4, call: (socket) => getKeepalive(socket) },
  netKeepaliveGet: {
    title: "net-keepalive's interval and count, read",
    options: 2,
    call(socket) {
      netKeepalive.getKeepAliveInterval(socket);
      netKeepalive.getKeepAliveProbes(socket);
    },
  },
};

export const title = "Cost of a call";
export const method =
  `${SOCKETS} loopback sockets in turn; rounds of ${CALLS_A_ROUND} calls of each, one after the other in one process, the first round not counted; the median ` +
  "of the rounds. Node skips what it believes set already, so the idle time is another one at each call of a socket.";

export async function measure({ rounds = 15 } = {}) {
  const { sockets, close } = await openSockets();
  const times = Object.fromEntries(Object.keys(SUBJECTS).map((name) => [name, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const [name, { call }] of Object.entries(SUBJECTS)) {
      const us = timeOf(call, sockets);
      if (round > 0) times[name].push(us);
    }
  }
  await close();
  return { rounds, rows: Object.keys(SUBJECTS).map((name) => ({ name, us: median(times[name]) })) };
}

async function openSockets() {
  const server = createServer((socket) => socket.resume()).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  const sockets = Array.from({ length: SOCKETS }, () => connect(port, "127.0.0.1"));
  await Promise.all(sockets.map((socket) => once(socket, "connect")));
  const close = async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, "close");
  };
  return { sockets, close };
}

/** Microseconds a call. */
function timeOf(call, sockets) {
  const started = performance.now();
  for (let i = 0; i < CALLS_A_ROUND; i++)
    call(sockets[i % SOCKETS], 2000 + 1000 * (Math.floor(i / SOCKETS) % 2));
  return ((performance.now() - started) * 1000) / CALLS_A_ROUND;
}

export function table({ rows }) {
  const own = rows.find(({ name }) => name === "readTcpInfo");
  return [
    ["", "call / readTcpInfo", "a call", "socket options", "an option"],
    ...rows.map(({ name, us }) => {
      const { title: call, options } = SUBJECTS[name];
      return [
        call,
        (us / own.us).toFixed(1),
        `${us.toFixed(2)} us`,
        String(options),
        `${(us / options).toFixed(2)} us`,
      ];
    }),
  ];
}

export function targets({ rows }) {
  const { us } = rows.find(({ name }) => name === "readTcpInfo");
  return [
    {
      what: "readTcpInfo",
      measured: `${us.toFixed(2)} us`,
      target: `<= ${TARGET_US} us`,
      isMet: us <= TARGET_US,
    },
  ];
}
