/**
 * Receives sockets from its parent and answers with what the kernel holds of each: `[keepalive on,
 * idle in ms, cap on backoff in ms]`.
 */
import { getKeepalive } from "../../dist/index.js";
import { readRtoMax } from "../../dist/kernel/options/rto-max.js";
import { descriptorOf } from "../../dist/kernel/process/descriptor.js";

const kept = [];
process.on("message", (_, socket) => {
  kept.push(socket);
  const { enabled, idleMs } = getKeepalive(socket);
  process.send([enabled, idleMs, readRtoMax(descriptorOf(socket))]);
});
