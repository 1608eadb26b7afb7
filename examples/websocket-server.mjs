// A WebSocket server (package ws) that ends the connections of dead clients within 5 seconds.
//   node examples/websocket-server.mjs [PORT]
import { watchWsServer } from "halfopen/heartbeat";
import { WebSocketServer } from "ws";

const port = Number(process.argv[2] ?? 8080);
const wss = new WebSocketServer({ port }, () => console.log("listening", port));

wss.on("connection", (ws, { socket: { remoteAddress, remotePort } }) => {
  const name = `${remoteAddress}:${remotePort}`;
  console.log("connected", name);
  ws.on("message", (data) => ws.send(data));
  // Comes for a client that breaks the protocol.
  ws.on("error", (error) => console.log("broken", name, error.message));
  ws.on("close", () => console.log("closed", name));
});

// Sends WebSocket pings, which every browser answers by itself, and only to clients that were
// silent. ws hides the errors of its sockets: a dead client is a plain "close" above, and the
// reason comes here.
watchWsServer(wss, { detectWithinMs: 5000 }).on("dead", ({ remote, cause }) =>
  console.log("dead", remote, cause),
);
