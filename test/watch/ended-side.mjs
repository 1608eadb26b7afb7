/**
 * Connections that end their side while nothing gets through: `node ended-side.mjs serve` there,
 * `node ended-side.mjs HOST DETECT_WITHIN_MS...` here. Prints "connected". At the line "cut" each
 * does what its name says; then each verdict is one JSON line, and at the line "applied" each
 * prints what is applied.
 */
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { watch } from "../../dist/index.js";

const PORT = 7100;
const WAYS = {
  write: (socket) => socket.write("x"),
  "write, end": (socket) => socket.end("x"),
  end: (socket) => socket.end(),
  "write, end a second later": async (socket) => {
    socket.write("x");
    await sleep(1000);
    socket.end();
  },
};
const [host, ...budgets] = process.argv.slice(2);
if (host === "serve") {
  createServer({ allowHalfOpen: true }, (socket) => socket.on("error", () => {}).resume()).listen(
    PORT,
    () => console.log("ready"),
  );
} else {
  const cases = [];
  for (const detectWithinMs of budgets.map(Number)) {
    for (const [way, act] of Object.entries(WAYS)) {
      const socket = connect({ host, port: PORT, allowHalfOpen: true })
        .on("error", () => {})
        .resume();
      await once(socket, "connect");
      const w = watch(socket, { detectWithinMs });
      cases.push({ way, act, detectWithinMs, socket, w });
    }
  }
  console.log("connected");
  for await (const line of createInterface(process.stdin)) {
    const at = performance.now();
    for (const { way, act, detectWithinMs, socket, w } of cases) {
      if (line === "applied")
        console.log(JSON.stringify({ way, detectWithinMs, applied: w.applied }));
      else {
        w.once("dead", (diagnosis) =>
          console.log(
            JSON.stringify({ way, detectWithinMs, afterMs: performance.now() - at, diagnosis }),
          ),
        );
        act(socket);
      }
    }
  }
}
