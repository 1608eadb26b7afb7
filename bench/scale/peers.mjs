// The other ends, in a process of their own. Answers as a client must and does nothing else: frames
// are ready-made, so that it costs little.
//   node peers.mjs tcp|ws|engine PORT      then over IPC: { connect: N, overMs } or { close: N }
import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

const [protocol, port] = [process.argv[2], Number(process.argv[3])];
const AT_A_TIME = 100;
const MASK = Buffer.from([1, 2, 3, 4]);
const upgrade = (path) =>
  `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
/** What it says first, whether a chunk is a question, and the answer. */
const PROTOCOLS = {
  tcp: { hello: null, isQuestion: (chunk) => chunk[0] === 0x3f, answer: Buffer.from("!") },
  // Ping 0x89, pong 0x8a, masked and empty.
  ws: {
    hello: upgrade("/"),
    isQuestion: (chunk) => chunk[0] === 0x89,
    answer: Buffer.from([0x8a, 0x80, ...MASK]),
  },
  // Text frame "2" and its answer, "3" masked.
  engine: {
    hello: upgrade("/engine.io/?EIO=4&transport=websocket"),
    isQuestion: (chunk) => chunk[0] === 0x81 && chunk[1] === 1 && chunk[2] === 0x32,
    answer: Buffer.from([0x81, 0x81, ...MASK, 0x33 ^ 1]),
  },
};
const { hello, isQuestion, answer } = PROTOCOLS[protocol];
const held = [];

async function open() {
  const shared = Buffer.alloc(1024);
  const socket = connect({
    port,
    host: "127.0.0.1",
    onread: {
      buffer: shared,
      callback: (_size, chunk) => {
        if (isQuestion(chunk)) socket.write(answer);
        else socket.emit("greeted");
        return true;
      },
    },
  });
  // A reset is the subject's word on this connection: the subject tells of it.
  socket.on("error", () => {});
  await once(socket, "connect");
  if (hello) {
    socket.write(hello);
    await once(socket, "greeted");
  }
  held.push(socket);
}

process.on("message", async ({ connect: wanted = 0, overMs = 0, close = 0 }) => {
  const started = performance.now();
  for (let left = wanted; left > 0; left -= AT_A_TIME) {
    await sleep(started + overMs * (1 - left / wanted) - performance.now());
    await Promise.all(Array.from({ length: Math.min(AT_A_TIME, left) }, open));
  }
  for (const socket of held.splice(0, close)) socket.destroy();
  process.send({ held: held.length });
});
process.on("disconnect", () => process.exit());
