// Starts Worker threads that watch connections and end in every way, while this thread watches a
// connection too. Ends with one line of JSON.
import { once } from "node:events";
import { readdirSync, readlinkSync } from "node:fs";
import { connect, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { capabilities, nudge, readTcpInfo, watch } from "halfopen";

const ENDS = ["closes", "exits", "throws", "is terminated", "is terminated early"];
const CONNECTIONS = 4;
/** The descriptors of this process and what they are; the one that lists them is gone by then. */
const descriptors = () =>
  readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      return `${fd} ${readlinkSync(`/proc/self/fd/${fd}`)}`;
    } catch {
      return [];
    }
  });

async function opened(port) {
  const socket = connect(port, "127.0.0.1")
    .on("error", () => {})
    .resume();
  const w = watch(socket, { detectWithinMs: 2500 });
  await once(socket, "connect");
  return { socket, w };
}

async function inThread({ port, end }) {
  const all = [];
  for (let i = 0; i < CONNECTIONS; i++) all.push(await opened(port));
  const [{ socket, w }] = all;
  // Still unanswered when the thread ends.
  nudge(socket);
  parentPort.postMessage(`${w.applied.level}, ${readTcpInfo(socket).state}`);
  if (end === "exits") process.exit(0);
  if (end === "throws") throw new Error("on purpose");
  if (end === "closes") for (const { socket } of all) socket.destroy();
}

/** Resolves at a thread's end with its last message. */
function ended(port, end, round) {
  const thread = new Worker(new URL(import.meta.url), { workerData: { port, end } });
  let said = "";
  thread.on("error", (error) => {
    if (error.message !== "on purpose") said = error.stack;
  });
  thread.on("message", (message) => {
    said = message;
    if (end === "is terminated") thread.terminate();
  });
  // The delay ends the thread while it loads, connects or watches.
  if (end === "is terminated early") setTimeout(() => thread.terminate(), 40 * round);
  return new Promise((resolve) => thread.on("exit", () => resolve(said)));
}

async function inMain(rounds) {
  const server = createServer((socket) => socket.on("error", () => {}).resume()).listen(
    0,
    "127.0.0.1",
  );
  await once(server, "listening");
  const { port } = server.address();
  const { socket, w } = await opened(port);
  await ended(port, "closes", 0);
  await sleep(200);
  const before = descriptors();
  const seen = Object.fromEntries(ENDS.map((end) => [end, new Set()]));
  for (let round = 0; round < rounds; round++) {
    const said = await Promise.all(ENDS.map(async (end) => [end, await ended(port, end, round)]));
    for (const [end, what] of said) seen[end].add(what);
  }
  // This thread's server closes its sockets only when its event loop runs.
  for (let i = 0; i < 100 && descriptors().length > before.length; i++) await sleep(20);
  const { state } = w;
  const leaked = descriptors().filter((it) => !before.includes(it));
  socket.destroy();
  server.close();
  const { "is terminated early": _, ...others } = Object.fromEntries(
    ENDS.map((end) => [end, [...seen[end]]]),
  );
  console.log(JSON.stringify({ backEnd: capabilities().backEnd, state, leaked, told: others }));
}

await (isMainThread ? inMain(Number(process.argv[2])) : inThread(workerData));
