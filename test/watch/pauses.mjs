/**
 * Idle watched connections whose process stands still: `node pauses.mjs serve` there, `node
 * pauses.mjs HOST DETECT_WITHIN_MS COUNT` here. Prints each event as a JSON line with the instant.
 */
import { once } from "node:events";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { watch } from "../../dist/index.js";
import { READING_PORT, servePeers } from "../setup/peers.mjs";

function tell(event) {
  // CLOCK_MONOTONIC is the same for all processes of a machine.
  console.log(JSON.stringify({ event, atMs: Number(process.hrtime.bigint() / 1000n) / 1000 }));
}

async function open(host, detectWithinMs) {
  const socket = connect({ host, port: READING_PORT });
  await once(socket, "connect");
  socket.resume();
  socket.on("error", () => {});
  const w = watch(socket, { detectWithinMs });
  for (const event of ["suspect", "alive", "dead"]) w.on(event, () => tell(event));
}

const [host, detectWithinMs, count] = process.argv.slice(2);
if (host === "serve") await servePeers();
else {
  for (let i = 0; i < Number(count); i++) await open(host, Number(detectWithinMs));
  createInterface({ input: process.stdin })
    .on("line", (line) => {
      for (const until = performance.now() + Number(line); performance.now() < until; );
      tell("went on");
    })
    .on("close", () => process.exit());
  tell("connected");
}
