/**
 * Watched connections whose answers come late: `node late-answers.mjs serve` there, `node
 * late-answers.mjs HOST KINDS` here, where KINDS is a JSON array of `{ id, kind, detectWithinMs }`.
 * Prints each event of a watch as a JSON line, and at the line "tell" the state of all.
 */
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { createInterface } from "node:readline";
import { watch } from "../../dist/index.js";

const PORT = 7130;
const CHUNK = Buffer.alloc(16_384, "x");
const TALK_EVERY_MS = 700;

/** What the program does on each kind of connection, once connected. */
const KINDS = {
  idle() {},
  upload: (socket) => pour(socket),
  download: (socket) => socket.write("d"),
  talk(socket) {
    const timer = setInterval(() => socket.write("a question\n"), TALK_EVERY_MS);
    socket.on("close", () => clearInterval(timer));
  },
};

/** Writes as fast as the peer and the path take it. */
function pour(socket) {
  const more = () => {
    while (!socket.destroyed && socket.write(CHUNK));
  };
  socket.on("drain", more);
  more();
}

/** Answers a line by a line, and pours when it is asked for a download. */
async function serve() {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.on("data", (data) => {
      if (data[0] === "d".charCodeAt(0)) pour(socket);
      else if (data[0] === "a".charCodeAt(0)) socket.write("an answer\n");
    });
  });
  await once(server.listen(PORT, "::"), "listening");
  console.log("ready");
}

async function open(host, { id, kind, detectWithinMs }) {
  const socket = connect({ host, port: PORT });
  await once(socket, "connect");
  socket.resume();
  socket.on("error", () => {});
  const w = watch(socket, { detectWithinMs, label: id });
  for (const event of ["suspect", "overdue", "alive", "dead"])
    w.on(event, (diagnosis) => tell(id, event, diagnosis, w));
  KINDS[kind](socket);
  return { id, w };
}

function tell(id, event, { cause, certainty, why, unknown, silentForMs, evidence }, w) {
  const { rttMs, bytesAcked, totalRetransmits } = evidence.tcpInfo ?? {};
  console.log(
    JSON.stringify({
      id,
      event,
      atMs: Math.round(performance.now()),
      cause,
      certainty,
      why,
      unknown,
      silentForMs,
      lossRatio: evidence.lossRatio,
      rttMs,
      bytesAcked,
      totalRetransmits,
      withinMs: w.applied?.detectWithinMs ?? null,
    }),
  );
}

const [host, kinds] = process.argv.slice(2);
if (host === "serve") await serve();
else {
  const all = await Promise.all(JSON.parse(kinds).map((one) => open(host, one)));
  console.log(JSON.stringify({ id: "all", event: "connected" }));
  createInterface({ input: process.stdin })
    .on("line", () => {
      for (const { id, w } of all) tell(id, "now", w.diagnosis, w);
    })
    .on("close", () => process.exit());
}
