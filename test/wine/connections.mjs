// Runs under Node for Windows. Opens one connection or server for each order in argv, and reports
// its events as lines of JSON.
import "./stdio.mjs";
import { writeSync } from "node:fs";
import { connect, createServer } from "node:net";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import { setKeepalive, watch, watchServer } from "../dist/index.js";
import { LAB_CERTIFICATE, LAB_KEY } from "../dist/lab/certificate.js";

const tell = (fact) => writeSync(1, `${JSON.stringify(fact)}\n`);
const certificate = { cert: LAB_CERTIFICATE, key: LAB_KEY };
const trusted = { ca: LAB_CERTIFICATE, checkServerIdentity: () => undefined };

for (const text of process.argv.slice(2)) {
  const order = JSON.parse(text);
  if (order.serve) serve(order);
  else open(order);
}

function open({ name, to, tls, keepalive, watch: options, beats }) {
  const socket = tls ? connectTls({ ...to, ...trusted }) : connect(to);
  socket.once(tls ? "secureConnect" : "connect", () => {
    const { localPort } = socket;
    const applied = keepalive ? setKeepalive(socket, keepalive) : null;
    tell({ name, event: "connected", localPort, applied });
    const w = options
      ? watch(socket, { ...options, ...(beats ? { heartbeat: () => ping(socket) } : {}) })
      : null;
    if (w) tell({ name, event: "watched", applied: w.applied });
    w?.on("suspect", (diagnosis) => tell({ name, event: "suspect", diagnosis }));
    w?.on("dead", (diagnosis) => tell({ name, event: "dead", diagnosis }));
  });
  socket.on("error", (error) =>
    tell({ name, event: "error", code: error.code, syscall: error.syscall ?? null }),
  );
  socket.on("close", () => {
    tell({ name, event: "close" });
    socket.write("too late", (error) => tell({ name, event: "sent", code: error?.code ?? null }));
  });
  if (!beats) socket.resume();
}

function serve({ name, serve: at, tls, watch: options }) {
  const accepted = (socket) => {
    socket.on("error", () => {}).resume();
    tell({ name, event: "connected", localPort: socket.localPort });
  };
  const server = tls ? createTlsServer(certificate, accepted) : createServer(accepted);
  watchServer(server, options).on("dead", (diagnosis) => tell({ name, event: "dead", diagnosis }));
  server.listen(at, () => tell({ name, event: "listening" }));
}

/** Resolves when the peer answers. */
function ping(socket) {
  return new Promise((resolve) => {
    socket.once("data", resolve);
    socket.write("ping");
  });
}
