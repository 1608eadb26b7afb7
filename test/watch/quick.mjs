/**
 * `quick.mjs serve`: answers heartbeats, plain on PORT, by TLS on PORT + 1.
 * `quick.mjs HOST4 HOST6 COUNT DETECT_MS`: keeps COUNT connections of every kind, each watched with
 * a heartbeat, and tells its events. Lines on standard input: `open` opens those that are missing;
 * `block MS` blocks the event loop; `collect` makes garbage for a second.
 */
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { createInterface } from "node:readline";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import { watch } from "../../dist/index.js";
import { LAB_CERTIFICATE, LAB_KEY } from "../../dist/lab/certificate.js";

const PORT = 7140;
const BEAT_BYTES = 4;
/** What a program writes by itself, and its server answers too. */
const OWN = 0xffff_ffff;
const monotonicMs = () => Number(process.hrtime.bigint() / 1000n) / 1000;
const tell = (what) =>
  process.stdout.write(`${JSON.stringify({ ...what, atMs: monotonicMs() })}\n`);

const [host4, host6, count, detect] = process.argv.slice(2);
if (host4 === "serve") await serve();
else follow();

async function serve() {
  const echo = (socket) =>
    socket
      .setNoDelay()
      .on("error", () => {})
      .pipe(socket);
  const plain = createServer(echo).listen(PORT, "::", 4096);
  const secret = createTlsServer({ cert: LAB_CERTIFICATE, key: LAB_KEY }, echo);
  secret.listen(PORT + 1, "::", 4096);
  await Promise.all([once(plain, "listening"), once(secret, "listening")]);
  tell({ event: "ready" });
}

function follow() {
  const open = new Set();
  const fill = async () => {
    const missing = Array.from({ length: Number(count) }, (_, i) => i).filter((i) => !open.has(i));
    await Promise.all(missing.map((i) => start(i, open)));
    tell({ event: "open" });
  };
  createInterface({ input: process.stdin }).on("line", (line) => {
    const [what, ms] = line.split(" ");
    if (what === "open") fill();
    if (what === "block") block(Number(ms));
    if (what === "collect") collect();
  });
}

/** Resolves when the connection is watched, and its peer has answered a heartbeat. */
async function start(i, open) {
  const [isWriting, isTls, isV6] = [1, 2, 4].map((bit) => (i & bit) !== 0);
  const at = { host: isV6 ? host6 : host4, port: PORT + (isTls ? 1 : 0) };
  const socket = isTls
    ? connectTls({ ...at, ca: LAB_CERTIFICATE, checkServerIdentity: () => undefined })
    : connect(at);
  socket.on("error", () => {});
  await once(socket, isTls ? "secureConnect" : "connect");
  socket.setNoDelay();
  open.add(i);
  const waiting = new Map();
  let [next, rest] = [0, Buffer.alloc(0)];
  const answered = new Promise((resolve) => waiting.set(0, resolve));
  socket.on("data", (data) => {
    rest = Buffer.concat([rest, data]);
    for (; rest.length >= BEAT_BYTES; rest = rest.subarray(BEAT_BYTES)) {
      waiting.get(rest.readUInt32BE())?.();
      waiting.delete(rest.readUInt32BE());
    }
  });
  const write = (number) => {
    const beat = Buffer.alloc(BEAT_BYTES);
    beat.writeUInt32BE(number);
    socket.write(beat);
  };
  const writing = isWriting && setInterval(write, 20 + Math.random() * 100, OWN);
  socket.on("close", () => clearInterval(writing));
  const heartbeat = () => {
    const number = next++;
    const done = waiting.get(number);
    return new Promise((resolve) => {
      waiting.set(number, () => {
        done?.();
        resolve();
      });
      write(number);
    });
  };
  const watcher = watch(socket, { detectWithinMs: Number(detect), heartbeat });
  for (const event of ["suspect", "alive", "overdue", "dead"])
    watcher.on(event, ({ cause, certainty, why }) => {
      if (event === "dead") open.delete(i);
      tell({ event, id: i, cause, certainty, why });
    });
  await answered;
}

function block(ms) {
  for (const until = performance.now() + ms; performance.now() < until; );
}

/** Makes the collector work for a second, as a program that parses much does. */
function collect() {
  const until = performance.now() + 1000;
  const kept = [];
  const step = () => {
    for (let i = 0; i < 20_000; i++) kept.push({ i, text: `${i}${Math.random()}` });
    if (kept.length > 400_000) kept.length = 0;
    if (performance.now() < until) setImmediate(step);
  };
  step();
}
