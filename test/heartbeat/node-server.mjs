/** The Node servers of the lab: a WebSocket echo on 8080, HTTP/2 on 8081. */
import { createServer } from "node:http2";
import { WebSocketServer } from "ws";

new WebSocketServer({ port: 8080, host: "::" }).on("connection", (ws) => ws.on("error", () => {}).on("message", (data) => ws.send(data)));
createServer((_, response) => response.end("hello")).listen(8081, "::", () => process.stdout.write("ready\n"));
process.stdin.resume().on("close", () => process.exit(0));
