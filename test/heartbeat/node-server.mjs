/**
 * The Node servers of the lab: WebSocket echo on 8080, HTTP/2 on 8081, gRPC on 8082, engine.io echo
 * on 8083, socket.io on 8084, frames with a heartbeat, echoed, on 8085. Who connects to 8090 and
 * writes `ws PORT` or `engine.io PORT` is connected to, and what it sends there comes back.
 */
import { createServer as createHttpServer } from "node:http";
import { createServer } from "node:http2";
import { createServer as createTcpServer } from "node:net";
import { Server as GrpcServer, ServerCredentials } from "@grpc/grpc-js";
import { listen } from "engine.io";
import { Socket as EngineSocket } from "engine.io-client";
import { Server as SocketIoServer } from "socket.io";
import { WebSocket, WebSocketServer } from "ws";
import { frameHeartbeat, newline } from "../../dist/heartbeat/index.js";

const HOST = "::";
const echoes = (one) => one.on("error", () => {}).on("message", (data) => one.send(data));
const asIs = (bytes) => bytes;

new WebSocketServer({ port: 8080, host: HOST }).on("connection", echoes);

const grpc = new GrpcServer();
const unary = { path: "/lab.Echo/Echo", requestStream: false, responseStream: false };
const codec = {
  requestSerialize: asIs,
  requestDeserialize: asIs,
  responseSerialize: asIs,
  responseDeserialize: asIs,
};
grpc.addService(
  { echo: { ...unary, ...codec } },
  { echo: ({ request }, answer) => answer(null, request) },
);
grpc.bindAsync(`[${HOST}]:8082`, ServerCredentials.createInsecure(), () => {});

listen(8083, { host: HOST }).on("connection", echoes);

const http = createHttpServer().listen(8084, HOST);
new SocketIoServer(http).on("connection", (socket) =>
  socket.on("echo", (data, answer) => answer(data)),
);

createTcpServer((socket) => {
  const channel = frameHeartbeat(socket, newline());
  channel.on("error", () => {}).on("data", (line) => channel.write(line));
}).listen(8085, HOST);

const dial = {
  ws: (url) => echoes(new WebSocket(url)),
  "engine.io": (url) => echoes(new EngineSocket(url, { transports: ["websocket"] })),
};
createTcpServer((socket) =>
  socket
    .on("error", () => {})
    .once("data", (data) => {
      const [kind, port] = String(data).split(" ");
      dial[kind](`ws://${socket.remoteAddress.replace(/^::ffff:/, "")}:${port}`);
    }),
).listen(8090, HOST);

createServer((_, response) => response.end("hello")).listen(8081, HOST);
process.stdin.resume().on("close", () => process.exit(0));
