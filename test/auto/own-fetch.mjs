/**
 * Says on standard output, as JSON, which sockets of Node's own network clients are watched (fetch,
 * fetch over HTTP/2, WebSocket), and with which code `watchWs` refuses Node's own WebSocket. `node
 * --import halfopen/auto own-fetch.mjs`.
 */
import { subscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { createServer } from "node:http";
import { createSecureServer } from "node:http2";
import { WebSocketServer } from "ws";
import { watchWs } from "../../dist/heartbeat/index.js";
import { getKeepalive } from "../../dist/index.js";
import { LAB_CERTIFICATE, LAB_KEY } from "../../dist/lab/certificate.js";

const opened = [];
subscribe("net.client.socket", ({ socket }) => opened.push(socket));
const isWatched = () => {
  const [socket, ...more] = opened.splice(0);
  const { enabled, idleMs } = getKeepalive(socket);
  return more.length === 0 && enabled && idleMs < 10_000;
};
const listening = async (server) => {
  await once(server.listen(0, "127.0.0.1"), "listening");
  return `127.0.0.1:${server.address().port}`;
};
const respond = (_, response) => response.end("hello");

const http = createServer(respond);
await (await fetch(`http://${await listening(http)}`)).text();
const result = { fetch: isWatched() };

const http2 = createSecureServer({ key: LAB_KEY, cert: LAB_CERTIFICATE }, respond);
// Node exports no Agent. Since Node 26 the first symbol has a wrapper.
const [own] = [2, 1]
  .map((version) => globalThis[Symbol.for(`undici.globalDispatcher.${version}`)])
  .filter((dispatcher) => dispatcher);
const dispatcher = new own.constructor({ allowH2: true, connect: { rejectUnauthorized: false } });
const secure = await listening(http2);
await (await fetch(`https://${secure}`, { dispatcher })).text();
result.http2 = isWatched();

// A server of its own: else the WebSocket may take over a connection of fetch.
const upgrading = createServer();
new WebSocketServer({ server: upgrading });
const ws = new WebSocket(`ws://${await listening(upgrading)}`);
await new Promise((resolve) => ws.addEventListener("open", resolve));
result.webSocket = isWatched();
try {
  watchWs(ws);
} catch ({ code }) {
  result.watchWs = code;
}
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit());
