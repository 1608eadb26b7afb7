/**
 * Programs that do not listen for the error of a dead peer: `node unheard.mjs NAME ON_UNHEARD`.
 * Each writes one line of JSON to standard output if it outlives that error.
 */
import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import { connect, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import tls from "node:tls";
import { watch } from "../../dist/index.js";
import { LAB_CERTIFICATE, LAB_KEY } from "../../dist/lab/certificate.js";

const [, , name, onUnheard] = process.argv;
const host = "127.0.0.1";

async function listening(server) {
  server.listen(0, host);
  await once(server, "listening");
  return server.address().port;
}

/** Resets a connection in a way that only its watch notices. */
async function die(socket, peer) {
  watch(socket, { detectWithinMs: 2500, onUnheard });
  socket._handle.readStop();
  socket._handle.reading = false;
  await sleep(50);
  peer.on("error", () => {}).resetAndDestroy();
}

/** A client without any listener, and what the server has of it. */
async function pair() {
  const server = createServer();
  const port = await listening(server);
  const client = connect(port, host);
  const [[peer]] = await Promise.all([once(server, "connection"), once(client, "connect")]);
  return { client, peer };
}

function finish(result) {
  process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit());
}

const PROGRAMS = {
  async "a socket"() {
    const { client, peer } = await pair();
    client.on("close", (hadError) =>
      finish({ hadError, own: Object.keys(client).includes("emit") }),
    );
    await die(client, peer);
  },

  async "a TLS socket"() {
    const server = tls.createServer({ key: LAB_KEY, cert: LAB_CERTIFICATE });
    const raw = once(server, "connection");
    const client = tls.connect({ port: await listening(server), host, rejectUnauthorized: false });
    await once(client, "secureConnect");
    client.on("close", (hadError) => finish({ hadError }));
    await die(client, (await raw)[0]);
  },

  /** The agent gives the place of the dead socket to the next request only after its 'close'. */
  async "an http request"() {
    const server = http.createServer((request, response) => request.url === "/2" && response.end());
    const port = await listening(server);
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const accepting = once(server, "connection");
    const first = http.get({ port, host, agent, path: "/1" });
    http.get({ port, host, agent, path: "/2" }, ({ statusCode }) => finish({ statusCode }));
    const [[socket], [peer]] = await Promise.all([once(first, "socket"), accepting]);
    await once(server, "request");
    await die(socket, peer);
  },

  async "an http2 session"() {
    const server = http2.createServer();
    server.on("stream", (stream) => stream.respond({ ":status": 200 }, { endStream: true }));
    const accepting = once(server, "connection");
    const url = `http://${host}:${await listening(server)}`;
    const session = http2.connect(url);
    await once(session, "remoteSettings");
    await die(session.socket, (await accepting)[0]);
    while (!session.destroyed) await sleep(10);
    const next = http2.connect(url);
    const [headers] = await once(next.request({ ":path": "/" }), "response");
    finish({ destroyed: session.destroyed, status: headers[":status"] });
  },

  async "a rejected promise"() {
    const { client, peer } = await pair();
    once(client, "data"); // nobody waits for it
    client.on("close", (hadError) => setImmediate(() => finish({ hadError })));
    await die(client, peer);
  },

  async "a rejected promise of a client that wraps the error"() {
    const { client, peer } = await pair();
    new Promise((_, reject) => {
      client.on("error", (cause) => reject(new TypeError("fetch failed", { cause })));
    });
    client.on("close", (hadError) => setImmediate(() => finish({ hadError })));
    await die(client, peer);
  },

  async "an error of its own, after a forgiven one"() {
    const { client, peer } = await pair();
    client.on("close", () =>
      setTimeout(() => {
        throw new Error("of the program");
      }, 50),
    );
    await die(client, peer);
    await sleep(2000);
  },

  async "a handler of uncaught exceptions"() {
    const { client, peer } = await pair();
    process.on("uncaughtException", ({ code }) => finish({ code }));
    client.on("error", (error) =>
      setImmediate(() => {
        throw error;
      }),
    );
    await die(client, peer);
  },

  async "three sockets to one address"() {
    const warnings = [];
    process.on("warning", ({ code }) => warnings.push(code));
    for (let i = 0; i < 3; i++) {
      const { client, peer } = await pair();
      const closing = new Promise((closed) => client.on("close", closed));
      await die(client, peer);
      await closing;
    }
    await sleep(20);
    finish({ warnings });
  },
};

await PROGRAMS[name]();
