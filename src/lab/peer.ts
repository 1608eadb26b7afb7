import { createServer as createTcpServer, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { LAB_CERTIFICATE, LAB_KEY } from "./certificate.ts";
import { PEER_PORTS, type PeerRole, TLS_PORT_OFFSET } from "./peer-ports.ts";

/** The other end: one process that plays every role, plain and TLS, over IPv4 and IPv6. */

/** Pause between the writes of a `talker`. */
const TICK_MS = 500;

const roles: Record<PeerRole, (socket: Socket) => void> = {
  /** Reads everything and answers the pings of the heartbeat recipe. */
  sink: (socket) => answerPings(socket),
  /** Acts as a sink, and also writes unprompted. */
  talker: (socket) => {
    answerPings(socket);
    const tick = setInterval(() => socket.write("tick\n"), TICK_MS);
    socket.on("close", () => clearInterval(tick));
  },
  /** Lives but never reads, so its window closes. */
  deaf: (socket) => void socket.pause(),
};

function answerPings(socket: Socket): void {
  socket.on("data", (data) => {
    if (data.includes("ping")) socket.write("pong\n");
  });
}

let waiting = 0;
for (const [role, port] of Object.entries(PEER_PORTS) as [PeerRole, number][]) {
  const serve = (socket: Socket): void => {
    socket.on("error", () => {});
    roles[role](socket);
  };

  const servers = [
    createTcpServer({ pauseOnConnect: role === "deaf" }, serve),
    createTlsServer({ cert: LAB_CERTIFICATE, key: LAB_KEY }, serve),
  ];

  for (const [index, server] of servers.entries()) {
    waiting++;
    server.listen(
      port + index * TLS_PORT_OFFSET,
      "::",
      1024,
      () => --waiting === 0 && process.stdout.write("ready\n"),
    );
  }
}
process.stdin.resume().on("close", () => process.exit(0));
