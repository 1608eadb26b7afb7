/**
 * What the clients without an adapter talk to and no package of Debian is, in one process. HTTP on
 * 8101, HTTP/2 over TLS on 8102, WebSocket echo on 8103, Colyseus on 8104, Elasticsearch as far as its
 * root goes on 9200, and the stubs of `stubs/`, each on its usual port. Who connects to 8109 and
 * writes `colyseus PORT` or `socket.io PORT` is connected to by such a client, which answers.
 */
import { createServer } from "node:http";
import { createSecureServer } from "node:http2";
import { createServer as createTcpServer } from "node:net";
import { Server as ColyseusServer } from "@colyseus/core";
import { WebSocketTransport } from "@colyseus/ws-transport";
import { Client as ColyseusClient } from "colyseus.js";
import { io } from "socket.io-client";
import { WebSocketServer } from "ws";
import { LAB_CERTIFICATE, LAB_KEY } from "../../../dist/lab/certificate.js";
import { EchoRoom } from "./echo-room.mjs";
import { serveCassandra } from "./stubs/cassandra.mjs";
import { serveKafka } from "./stubs/kafka.mjs";
import { serveMongodb } from "./stubs/mongodb.mjs";
import { serveSqlServer } from "./stubs/sql-server.mjs";

const HOST = "0.0.0.0";
/** Longer than a test: an idle connection of a pool is to stay. */
const keepAliveTimeout = 120_000;

for (const serve of [serveCassandra, serveKafka, serveMongodb, serveSqlServer]) serve();

/** Answers at once, and to `/news` with the beginning of a stream that goes on for ever. */
function respond({ url }, response) {
  if (url === "/news") response.write("wait for news\n");
  else response.end("hello");
}
createServer({ keepAliveTimeout }, respond).listen(8101, HOST);
createSecureServer({ key: LAB_KEY, cert: LAB_CERTIFICATE }, respond).listen(8102, HOST);
createServer({ keepAliveTimeout }, (_, response) => {
  response.setHeader("x-elastic-product", "Elasticsearch");
  response.setHeader("content-type", "application/json");
  response.end("{}");
}).listen(9200, HOST);

new WebSocketServer({ port: 8103, host: HOST }).on("connection", (ws) =>
  ws.on("error", () => {}).on("message", (data) => ws.send(String(data))),
);

const rooms = new ColyseusServer({
  transport: new WebSocketTransport({ pingInterval: 0 }),
  greet: false,
});
rooms.define("echo", EchoRoom);
rooms.listen(8104, HOST);

const dial = {
  async colyseus(host, port) {
    const room = await new ColyseusClient(`ws://${host}:${port}`).joinOrCreate("echo");
    room.onMessage("echo", (text) => room.send("answer", text));
  },
  "socket.io"(host, port) {
    io(`ws://${host}:${port}`).on("echo", (text, answer) => answer(text));
  },
};
createTcpServer((socket) =>
  socket
    .on("error", () => {})
    .once("data", (data) => {
      const [kind, port] = String(data).split(" ");
      dial[kind](socket.remoteAddress, port);
    }),
).listen(8109, HOST);
process.stdin.resume().on("close", () => process.exit(0));
