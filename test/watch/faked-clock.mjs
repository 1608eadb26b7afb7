/**
 * A program's test with the faked timers of `node:test`: a peer resets a watched connection that
 * nobody reads, so that only a timer of the watch finds it. Writes the cause as JSON.
 */
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { mock } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { watch } from "../../dist/index.js";

const server = createServer((socket) => {
  socket.on("error", () => {});
  sleep(200).then(() => socket.resetAndDestroy());
}).listen(0, "127.0.0.1");
await once(server, "listening");
mock.timers.enable();
const client = connect(server.address().port, "127.0.0.1").on("error", () => {});
const w = watch(client, { detectWithinMs: 2500 });
client.pause();
const [{ cause }] = await once(w, "dead");
process.stdout.write(JSON.stringify(cause), () => process.exit());
