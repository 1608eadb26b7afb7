// Runs under Node for Windows. One connection for each order in argv; tells in JSON lines what becomes of it.
import "./stdio.mjs";
import { writeSync } from "node:fs";
import { connect } from "node:net";
import { setKeepalive, watch } from "../dist/index.js";

const [host, port, ...orders] = process.argv.slice(2);
const tell = (fact) => writeSync(1, `${JSON.stringify(fact)}\n`);

for (const order of orders) {
  const { name, keepalive, watch: options, beats } = JSON.parse(order);
  const socket = connect({ host, port: Number(port) }, () => {
    const { localPort } = socket;
    const applied = keepalive ? setKeepalive(socket, keepalive) : null;
    tell({ name, event: "connected", localPort, applied });
    const w = options ? watch(socket, { ...options, ...(beats ? { heartbeat: () => echo(socket) } : {}) }) : null;
    if (w) tell({ name, event: "watched", applied: w.applied });
    w?.on("suspect", (diagnosis) => tell({ name, event: "suspect", diagnosis }));
    w?.on("dead", (diagnosis) => tell({ name, event: "dead", diagnosis }));
  });
  socket.on("error", (error) => tell({ name, event: "error", code: error.code, syscall: error.syscall ?? null }));
  socket.on("close", () => {
    tell({ name, event: "close" });
    socket.write("too late", (error) => tell({ name, event: "sent", code: error?.code ?? null }));
  });
  if (!beats) socket.resume();
}

/** The peer sends back what it gets. */
function echo(socket) {
  return new Promise((resolve) => {
    socket.once("data", resolve);
    socket.write("ping");
  });
}
