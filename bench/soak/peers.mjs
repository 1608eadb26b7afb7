// The peers of the soak: as many hosts as connections, each with an address of its own.
//   node peers.mjs SERVER PORT NUMBER: addresses 10.(80 + NUMBER).0.0/16
import { once } from "node:events";
import { connect } from "node:net";
import { setInterval as every, setTimeout as sleep } from "node:timers/promises";
import { serve } from "./asked.mjs";
import { ANSWER, PLEASE_CLOSE, QUESTION } from "./protocol.mjs";

const [host, port, secondByte] = [
  process.argv[2],
  Number(process.argv[3]),
  80 + Number(process.argv[4]),
];
const AT_A_TIME = 100;
const TICK_MS = 50;
const ANSWER_WITHIN_MS = 15_000;
/** Address to socket, in the order of connecting. */
const held = new Map();
/** Those that will be cut: nothing else may happen to them. */
const doomed = new Set();
const problems = [];
const done = { connected: 0, closedHere: 0, closedThere: 0 };
let lastAddress = 0;

function freeAddress() {
  for (;;) {
    lastAddress = (lastAddress % 0xfffe) + 1;
    const address = `10.${secondByte}.${lastAddress >> 8}.${lastAddress & 255}`;
    if (!held.has(address)) return address;
  }
}

async function open() {
  const localAddress = freeAddress();
  const socket = connect({ port, host, localAddress });
  held.set(localAddress, socket);
  socket
    .on("data", (chunk) => {
      if (chunk.includes(ANSWER)) socket.emit("answer");
    })
    .on("error", (error) => {
      // Whoever is cut learns nothing, or much later.
      if (!doomed.has(localAddress)) problems.push(`${localAddress}: ${error.message}`);
    })
    .on("close", () => held.delete(localAddress));
  await once(socket, "connect");
  done.connected++;
}

/**
 * Each second so many connections come and as many go, half of them ended by the peer, half by the
 * server.
 */
async function churn({ perSecond, forMs }) {
  const started = performance.now();
  const end = started + forMs;
  let made = 0;
  for await (const _ of every(TICK_MS)) {
    const now = Math.min(performance.now(), end);
    for (; made < ((now - started) * perSecond) / 1000; made++) {
      open().catch(({ message }) => problems.push(message));
      const leaver = anyone();
      if (!leaver) continue;
      if (made % 2 === 0) {
        leaver.end();
        done.closedHere++;
      } else {
        leaver.write(PLEASE_CLOSE);
        done.closedThere++;
      }
    }
    if (now === end) return;
  }
}

/** The oldest that is not doomed, is connected and not yet leaving. */
const leaving = new WeakSet();
function anyone() {
  for (const [address, socket] of held) {
    if (doomed.has(address) || leaving.has(socket) || socket.connecting) continue;
    leaving.add(socket);
    return socket;
  }
  return null;
}

async function ask(perSecond, forMs) {
  const end = performance.now() + forMs;
  for await (const _ of every(TICK_MS)) {
    if (performance.now() > end) return;
    const all = [...held.values()];
    for (let i = 0; i < (perSecond * TICK_MS) / 1000; i++) {
      const socket = all[Math.floor(Math.random() * all.length)];
      if (socket && !socket.connecting && socket.writable && !leaving.has(socket))
        socket.write(QUESTION);
    }
  }
}

/** Everyone that is not doomed asks: how many were answered. */
async function rollCall() {
  const living = [...held]
    .filter(([address, socket]) => !doomed.has(address) && !leaving.has(socket))
    .map(([, socket]) => socket);
  let answered = 0;
  for (let from = 0; from < living.length; from += AT_A_TIME) {
    for (const socket of living.slice(from, from + AT_A_TIME)) {
      socket.once("answer", () => answered++);
      if (socket.writable) socket.write(QUESTION);
    }
    await sleep(1);
  }
  for (let waited = 0; answered < living.length && waited < ANSWER_WITHIN_MS; waited += TICK_MS)
    await sleep(TICK_MS);
  return { living: living.length, answered };
}

serve({
  async connect(count) {
    for (let left = count; left > 0; left -= AT_A_TIME)
      await Promise.all(Array.from({ length: Math.min(AT_A_TIME, left) }, open));
  },
  churn,
  ask: ({ perSecond, forMs }) => void ask(perSecond, forMs),
  count: () => held.size,
  doom(count) {
    const chosen = [...held]
      .filter(([, socket]) => !leaving.has(socket) && !socket.connecting)
      .map(([address]) => address);
    for (let i = 0; i < count; i++)
      for (const address of chosen.splice(Math.floor(Math.random() * chosen.length), 1))
        doomed.add(address);
    return [...doomed];
  },
  rollCall,
  record: () => ({ ...done, problems }),
});
