/**
 * A program that ends its clients, as the lab starts it: `node ended-program.mjs CLIENT:END[,...]
 * HOST BUDGET_MS`, each end by the name that `clients.mjs` has for it. It says one JSON object a
 * line with CLOCK_MONOTONIC in ms: `ready`; after the command `end`, `suspect`, `dead` and `close`
 * of each watch; and after the command `count`, `wrote`, with the bytes that each client has written since
 * it was ended, and since all that the end itself wrote was written.
 */
import { Socket } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { clients } from "./clients.mjs";

const [, , ends, host, budget] = process.argv;
/** An end has written all of its own after this time. */
const SETTLED_MS = 500;

function say(event, more) {
  process.stdout.write(
    `${JSON.stringify({ event, at: Number(process.hrtime.bigint() / 1000n) / 1000, ...more })}\n`,
  );
}

let opened = [];
const { connect } = Socket.prototype;
Socket.prototype.connect = function connectNoted(...args) {
  opened.push(this);
  return connect.apply(this, args);
};

async function start(client, end) {
  opened = [];
  const watched = (watchClient) => {
    const watch = watchClient({ detectWithinMs: Number(budget), onDead: "report" });
    for (const event of ["suspect", "dead", "close"])
      watch.on(event, ({ cause, why }) => say(event, { client, end, cause, why }));
  };
  const { ends } = await clients[client]({ host, say() {}, watched });
  const sockets = opened;
  const written = () => sockets.reduce((sum, { bytesWritten }) => sum + bytesWritten, 0);
  let before = 0;
  return {
    async end() {
      Promise.resolve(ends[end]()).catch(() => {});
      await sleep(SETTLED_MS);
      before = written();
    },
    count: () => say("wrote", { client, end, bytes: written() - before }),
  };
}

const started = [];
for (const one of ends.split(",")) started.push(await start(...one.split(":")));
say("ready", { client: "all" });
createInterface({ input: process.stdin })
  .on("line", (word) => {
    for (const one of started) one[word]();
  })
  .on("close", () => process.exit(0));
