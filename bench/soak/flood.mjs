// Fills the queue in front of the server.
//   node flood.mjs burst HOST BYTES KBIT: datagrams at once, then as many a second
//   node flood.mjs upload HOST PORT COUNT: connections that send as much as they can
// SIGTERM ends it; connections then end as any other.
import { createSocket } from "node:dgram";
import { connect } from "node:net";
import { setInterval as every } from "node:timers/promises";

const [, , kind, host, ...numbers] = process.argv;
/** Nobody listens there: the server's host has work with them, its programs have not. */
const DISCARD_PORT = 9;
const DATAGRAM = Buffer.alloc(1400);
const CHUNK = Buffer.alloc(65_536);
const TICK_MS = 20;

async function burst(bytes, kbit) {
  const socket = createSocket("udp4");
  const startedAt = performance.now();
  let sent = 0;
  for await (const _ of every(TICK_MS)) {
    const due = bytes + (kbit / 8) * (performance.now() - startedAt);
    for (; sent < due; sent += DATAGRAM.length) socket.send(DATAGRAM, DISCARD_PORT, host);
  }
}

function upload(port, count) {
  for (let i = 0; i < count; i++) {
    const socket = connect({ host, port });
    const write = () => {
      while (!isOver && socket.write(CHUNK));
      if (isOver) socket.end();
    };
    socket.resume().on("error", () => {}); // the server has a verdict of it
    socket.on("connect", write).on("drain", write);
  }
}

let isOver = false;
process.on("SIGTERM", () => {
  isOver = true;
  if (kind === "burst") process.exit();
});
if (kind === "burst") await burst(...numbers.map(Number));
else upload(...numbers.map(Number));
