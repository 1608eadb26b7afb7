/**
 * Connections whose program writes its last data and closes while nothing gets through: `node
 * last-data.mjs serve` there, which prints what comes; `node last-data.mjs HOST` here. Prints
 * "connected". At the line "cut" each does what its name says.
 */
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { createInterface } from "node:readline";
import { watch } from "../../dist/index.js";

const PORT = 7100;
const WAYS = {
  destroy: (socket, text) => socket.write(text, () => socket.destroy()),
  destroySoon: (socket, text) => {
    socket.write(text);
    socket.destroySoon();
  },
};
const [host] = process.argv.slice(2);
if (host === "serve") {
  createServer((socket) => {
    let text = "";
    socket
      .on("error", () => {})
      .on("data", (data) => {
        text += data;
      });
    socket.on("end", () => console.log(`${text}, end`));
  }).listen(PORT, () => console.log("ready"));
} else {
  const cases = [];
  for (const way of Object.keys(WAYS)) {
    for (const detectWithinMs of [null, 2500, 5000, 600_000]) {
      const socket = connect({ host, port: PORT })
        .on("error", () => {})
        .resume();
      await once(socket, "connect");
      if (detectWithinMs !== null) watch(socket, { detectWithinMs });
      cases.push({ way, detectWithinMs, socket });
    }
  }
  console.log("connected");
  for await (const _ of createInterface(process.stdin))
    for (const { way, detectWithinMs, socket } of cases)
      WAYS[way](socket, `${way}, ${detectWithinMs ?? "unwatched"}`);
}
