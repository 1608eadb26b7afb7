// Several workers serve one port, and each watches the connections that it accepts: `node
// shared-port.mjs cluster|threads|processes`. Threads and separate processes need `reusePort` (Node
// 23.1). The peers' programs never answer the heartbeat. Ends with one line of JSON. `latestMs`: how
// late the last death was told, less the time for which its worker stood still.
import { fork } from "node:child_process";
import cluster from "node:cluster";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { watchServer } from "halfopen";

const WORKERS = 2;
const CONNECTIONS = 40;
const BUDGET_MS = 2500;
const WITHIN_MS = 4 * BUDGET_MS;
const TICK_MS = 10;

function serve({ port, reusePort }, tell) {
  const stoodStill = clockOfStalls();
  const server = createServer((socket) => {
    const acceptedAt = performance.now();
    const before = stoodStill();
    socket
      .on("error", (error) =>
        tell({
          code: error.code,
          afterMs: performance.now() - acceptedAt - (stoodStill() - before),
        }),
      )
      .resume();
  });
  const watched = watchServer(server, {
    detectWithinMs: BUDGET_MS,
    heartbeat: () => new Promise(() => {}),
    expect: "process",
  });
  watched.on("dead", ({ cause }) => tell({ cause }));
  server.listen({ port, host: "127.0.0.1", reusePort }, () =>
    tell({ port: server.address().port }),
  );
}

/** Returns what tells for how long in all this thread has stood still, in ms: a busy machine. */
function clockOfStalls() {
  let at = performance.now();
  let sum = 0;
  setInterval(() => {
    const now = performance.now();
    sum += Math.max(0, now - at - 2 * TICK_MS);
    at = now;
  }, TICK_MS).unref();
  return () => sum + Math.max(0, performance.now() - at - 2 * TICK_MS);
}

const START = {
  cluster: () => cluster.fork({ PART: JSON.stringify({ port: 0, reusePort: false }) }),
  threads: (port) =>
    new Worker(new URL(import.meta.url), { workerData: { port, reusePort: true } }),
  processes: (port) =>
    fork(new URL(import.meta.url), {
      env: { ...process.env, PART: JSON.stringify({ port, reusePort: true }) },
    }),
};

async function inMain(way) {
  const told = [];
  const workers = [];
  let port = 0;
  while (workers.length < WORKERS) {
    const worker = START[way](port);
    const own = [];
    told.push(own);
    workers.push(worker);
    worker.on("message", (message) => own.push(message));
    while (own.length === 0) await once(worker, "message");
    ({ port } = own.shift());
  }
  const sockets = Array.from({ length: CONNECTIONS }, () =>
    connect(port, "127.0.0.1")
      .on("error", () => {})
      .resume(),
  );
  await Promise.all(sockets.map((socket) => once(socket, "connect")));
  const deaths = () => told.flat().filter(({ code }) => code).length;
  for (let waited = 0; deaths() < CONNECTIONS && waited < WITHIN_MS; waited += 50) await sleep(50);
  for (const worker of workers)
    await (worker instanceof Worker ? worker.terminate() : worker.kill());
  const causes = [...new Set(told.flat().flatMap(({ cause }) => cause ?? []))];
  const codes = [...new Set(told.flat().flatMap(({ code }) => code ?? []))];
  const latestMs = Math.max(...told.flat().flatMap(({ afterMs }) => afterMs ?? []));
  console.log(
    JSON.stringify({
      dead: told.map((own) => own.filter(({ code }) => code).length),
      causes,
      codes,
      latestMs,
    }),
  );
}

if (process.env.PART) serve(JSON.parse(process.env.PART), (message) => process.send(message));
else if (!isMainThread) serve(workerData, (message) => parentPort.postMessage(message));
else await inMain(process.argv[2]);
