/**
 * A program that uses clients against their servers, as the lab starts it: `node client-program.mjs
 * CLIENT[,CLIENT...] HOST MODE BUDGET_MS [CLIENT...]`. MODE is `watched` (by halfopen/heartbeat), `host`
 * (the same with `expect: "host"`) or `alone`. On standard output it says, one JSON object a line
 * with the client's name and CLOCK_MONOTONIC in ms: ready, answered or failed (a request), lost
 * (the connection), back (works again after a reconnect), suspect and dead (the watch). The last
 * clients are made anew when they lost their connection until they are connected, as a program does
 * with one that does not reconnect. Commands on standard input: `request`; `ports` (says the
 * local ports of the watched connections); `enter blocked|transaction`, for clients that have such a
 * state, which say `entered`; and `block timer|immediate|fs MS`, which
 * stops the event loop in such a callback.
 */
import { stat } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { otherClients } from "../auto/clients/clients.mjs";
import { clients } from "./clients.mjs";

const [, , names, host, mode, budget, ...anew] = process.argv;
const known = { ...clients, ...otherClients };

const RETRY_MS = 200;
const BLOCKS = {
  timer: (callback) => setTimeout(callback, 1),
  immediate: (callback) => setImmediate(callback),
  fs: (callback) => stat(".", callback),
};

function say(event, more) {
  process.stdout.write(
    `${JSON.stringify({ event, at: Number(process.hrtime.bigint() / 1000n) / 1000, ...more })}\n`,
  );
}

/** The newest watch of each client. */
const watches = new Map();

function sayPorts() {
  for (const [client, watch] of watches) {
    const connections = watch.currents ?? [watch];
    const ports = connections.map(({ diagnosis }) => Number(diagnosis.local.split(":").at(-1)));
    say("ports", { client, ports });
  }
}

async function start(client) {
  const sayOwn = (event, more) => {
    say(event, { client, ...more });
    if (event === "lost" && anew.includes(client)) connectAnew();
  };
  const watched = (watchClient) => {
    if (mode === "alone") return;
    const watch = watchClient({
      detectWithinMs: Number(budget),
      ...(mode === "host" && { expect: "host" }),
    });
    watches.set(client, watch);
    for (const event of ["suspect", "dead"])
      watch.on(event, ({ cause, why }) => sayOwn(event, { cause, why }));
  };
  const connect = () => known[client]({ host, say: sayOwn, watched });
  let isConnecting = false;
  const connectAnew = async () => {
    if (isConnecting) return;
    isConnecting = true;
    for (let isConnected = false; !isConnected; await sleep(RETRY_MS))
      isConnected = await connect().then(
        (made) => {
          request = made;
          return true;
        },
        () => false,
      );
    isConnecting = false;
  };
  let request = await connect();
  sayOwn("ready");
  return {
    ask: () =>
      request().then(
        () => sayOwn("answered"),
        ({ name, message }) => sayOwn("failed", { name, message }),
      ),
    async enter(state) {
      await request[state]();
      sayOwn("entered");
    },
  };
}

// One after the other: to load a client takes the event loop so long that another's connect timer
// would run out meanwhile.
const started = [];
for (const name of names.split(",")) started.push(await start(name));
createInterface({ input: process.stdin })
  .on("line", (line) => {
    const [word, where, ms] = line.split(" ");
    if (word === "request") for (const client of started) client.ask();
    else if (word === "ports") sayPorts();
    else if (word === "enter") for (const client of started) client.enter(where);
    else if (word === "block")
      BLOCKS[where](() => {
        // Sleeps instead of spinning: the event loop stands as still, and as many programs as there
        // are can do it at once.
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(ms));
        say("unblocked", { where });
      });
  })
  .on("close", () => process.exit(0));
