/**
 * Writes what a program can see of its sockets and servers as JSON: listeners, own properties,
 * printed form. Called with and without halfopen/auto by shown.linux.test.ts.
 */
import { once } from "node:events";
import http from "node:http";
import { connect, createServer } from "node:net";
import tls from "node:tls";
import { inspect } from "node:util";
import { LAB_CERTIFICATE, LAB_KEY } from "../../dist/lab/certificate.js";

const seen = {};

/** Numbers and addresses differ from run to run. */
function plain(text) {
  return text.replace(/(?<=(?:port|Port|_connectionKey|fd|async_?id\w*)\W+)[\d.:]+/gi, "N");
}

function see(what, emitter) {
  const names = emitter.eventNames();
  seen[what] = {
    listeners: names.map((event) => [
      String(event),
      emitter.listenerCount(event),
      emitter.rawListeners(event).map((listener) => listener.name),
    ]),
    events: emitter._eventsCount,
    own: Object.keys(emitter),
    symbols: Object.getOwnPropertySymbols(emitter)
      .filter((symbol) => Object.prototype.propertyIsEnumerable.call(emitter, symbol))
      .map(String),
    lines: plain(inspect(emitter, { depth: 0, breakLength: 80 }))
      .split("\n")
      .map((line) => line.split(":")[0]),
  };
}

async function stages(what, server, open, ready) {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const accepting = once(server, ready);
  const client = open(server.address().port);
  see(`${what} client at once`, client);
  await new Promise((resolve) => setImmediate(resolve));
  see(`${what} client connecting`, client);
  const [socket] = await accepting;
  if (client.connecting) await once(client, "connect");
  see(`${what} client`, client);
  see(`${what} accepted`, socket);
  see(`${what} server`, server);
  client.destroy();
  await once(client, "close");
  see(`${what} client closed`, client);
  seen[`${what} address after its end`] = [client.remoteAddress ?? null, client.localPort ?? null];
  socket.destroy();
  server.close();
}

await stages("tcp", createServer(), (port) => connect(port, "127.0.0.1"), "connection");
await stages("http", http.createServer(), (port) => connect(port, "127.0.0.1"), "connection");
await stages(
  "tls",
  tls.createServer({ key: LAB_KEY, cert: LAB_CERTIFICATE }),
  (port) =>
    tls.connect({ port, host: "127.0.0.1", rejectUnauthorized: false }).on("error", () => {}),
  "secureConnection",
);
process.stdout.write(JSON.stringify(seen));
