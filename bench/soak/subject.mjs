// The server of the soak: watches every connection it accepts and keeps a record of every verdict.
//   node --expose-gc --title=NAME subject.mjs PORT BUDGET_MS

import { once } from "node:events";
import { createServer } from "node:net";
import { setInterval as every, setTimeout as sleep } from "node:timers/promises";
import { serve } from "./asked.mjs";
import { ownTime, startControl } from "./own-time.mjs";
import { ANSWER, PLEASE_CLOSE, PUSHED, QUESTION } from "./protocol.mjs";

const { watch } = await import("../../dist/index.js"); // behind own-time.mjs

const [port, detectWithinMs] = process.argv.slice(2).map(Number);
const PUSH_EVERY_MS = 100;
const PIECE_MS = 20;
const sockets = new Set();
const verdicts = [];
let suspicions = 0;
let unhandled = 0;
process.on("unhandledRejection", () => unhandled++);

const server = createServer((socket) => {
  sockets.add(socket);
  socket
    .on("error", () => {}) // the verdict has it
    .on("close", () => sockets.delete(socket))
    .on("data", (chunk) => {
      if (chunk.includes(QUESTION)) socket.write(ANSWER);
      if (chunk.includes(PLEASE_CLOSE)) socket.end();
    });
  const { remoteAddress } = socket;
  watch(socket, { detectWithinMs })
    .on("suspect", () => suspicions++)
    .on("dead", ({ cause, why, silentForMs, evidence: { lossRatio, tcpInfo } }) =>
      verdicts.push({
        address: remoteAddress,
        at: now(),
        cause,
        why,
        silentForMs,
        lossRatio,
        rttMs: tcpInfo?.rttMs,
      }),
    );
});
server.listen({ port, host: "0.0.0.0", backlog: 4096 });
await once(server, "listening");
void startControl(sockets);

/** Of the monotonic clock of the machine, which all processes share. */
function now() {
  return Number(process.hrtime.bigint()) / 1e6;
}

/**
 * Data in flight on some connections all the time: that is watched in another way than an idle one.
 */
async function push({ connections, forMs }) {
  const end = now() + forMs;
  for await (const _ of every(PUSH_EVERY_MS)) {
    if (now() > end) return;
    const all = [...sockets];
    for (let i = 0; i < connections; i++)
      all[Math.floor(Math.random() * all.length)]?.write(PUSHED);
  }
}

/** Other work of the program. */
async function work({ busyShare, forMs }) {
  if (busyShare === 0) return;
  const end = now() + forMs;
  for await (const _ of every(PIECE_MS / busyShare)) {
    if (now() > end) return;
    for (const until = now() + PIECE_MS; now() < until; );
  }
}

serve({
  count: () => sockets.size,
  push: (load) => void push(load),
  work: (load) => void work(load),
  record: () => ({ verdicts, suspicions, unhandled }),
  ownTime,
  cpu: () => process.cpuUsage(),
  async heap() {
    for (let round = 0; round < 4; round++) {
      global.gc();
      await sleep(20);
    }
    return process.memoryUsage();
  },
});
