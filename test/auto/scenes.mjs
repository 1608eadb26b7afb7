/**
 * Programs as people write them, by name: `node --import halfopen/auto scenes.mjs NAME`. Each writes
 * one line of JSON to standard output. Whether a socket is watched shows in what the kernel holds of
 * it: keepalive with a short idle time.
 */
import { fork } from "node:child_process";
import cluster from "node:cluster";
import { once } from "node:events";
import http from "node:http";
import { connect, createServer } from "node:net";
import { setImmediate as nextLoop, setTimeout as sleep } from "node:timers/promises";
import tls from "node:tls";
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { getKeepalive } from "../../dist/index.js";
import { LAB_CERTIFICATE, LAB_KEY } from "../../dist/lab/certificate.js";

const SELF = new URL(import.meta.url).pathname;
const [, , name, role] = process.argv;
const isWatched = (socket) => {
  const { enabled, idleMs } = getKeepalive(socket);
  return enabled && idleMs < 10_000;
};
/** Node announces an accepted socket after its 'connection' event. */
const isSoonWatched = async (socket) => {
  quiet(socket);
  await nextLoop();
  return isWatched(socket);
};
const quiet = (socket) => socket.on("error", () => {});

function finish(result) {
  process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit());
}

async function listening(server, host = "127.0.0.1") {
  server.listen(0, host);
  await once(server, "listening");
  return server.address().port;
}

const holding = () => createServer((socket) => quiet(socket).resume());

/** A client and what a server makes of it. */
async function accepted(options = {}) {
  const server = createServer(options);
  const port = await listening(server);
  const client = quiet(connect(port, "127.0.0.1"));
  const [socket] = await once(server, "connection");
  return { server, client, socket: quiet(socket), port };
}

const tlsServer = { isServer: true, key: LAB_KEY, cert: LAB_CERTIFICATE };

const SCENES = {
  async "sent by a child process"() {
    if (role === "child") {
      const { socket } = await accepted({ pauseOnConnect: true });
      process.send("yours", socket);
      return;
    }
    const child = fork(SELF, [name, "child"]);
    child.on("message", (_, socket) => {
      finish(isWatched(quiet(socket)));
      child.kill();
    });
  },

  async "accepted by a server that the parent sent"() {
    if (role === "child") {
      process.on("message", (_, server) => {
        server.on("connection", async (socket) => process.send(await isSoonWatched(socket)));
        process.send("ready");
      });
      return;
    }
    const server = holding();
    const port = await listening(server);
    const child = fork(SELF, [name, "child"]);
    child.send("server", server);
    await once(child, "message");
    server.close();
    quiet(connect(port, "127.0.0.1"));
    finish((await once(child, "message"))[0]);
    child.kill();
  },

  async "upgraded and sent to a worker"() {
    if (role === "child") {
      process.on("message", (_, socket) => process.send(isWatched(quiet(socket))));
      return;
    }
    const child = fork(SELF, [name, "child"]);
    const server = http.createServer();
    server.on("upgrade", (_, socket) => child.send("yours", socket));
    const port = await listening(server);
    http
      .get({ port, host: "127.0.0.1", headers: { connection: "upgrade", upgrade: "x" } })
      .on("error", () => {});
    finish((await once(child, "message"))[0]);
    child.kill();
  },

  "accepted in a cluster that shares by turns": () => inCluster(cluster.SCHED_RR),
  "accepted in a cluster that shares the socket": () => inCluster(cluster.SCHED_NONE),

  async "sent to a thread"() {
    if (!isMainThread) {
      parentPort.on("message", async ({ deep: [socket] }) =>
        parentPort.postMessage(await isSoonWatched(socket)),
      );
      return;
    }
    const worker = new Worker(SELF, { argv: [name] });
    const { socket } = await accepted({ pauseOnConnect: true });
    worker.postMessage({ deep: [socket] }, [socket]);
    finish((await once(worker, "message"))[0]);
  },

  async "connected again in its 'close'"() {
    const port = await listening(holding());
    const client = quiet(connect(port, "127.0.0.1"));
    await once(client, "connect");
    client.once("close", () => client.connect(port, "127.0.0.1"));
    client.destroy();
    await once(client, "connect");
    finish(isWatched(client));
  },

  async "connected again before its 'close'"() {
    const port = await listening(holding());
    const client = quiet(connect(port, "127.0.0.1"));
    await once(client, "connect");
    client.destroy();
    client.connect(port, "127.0.0.1");
    await once(client, "connect");
    await sleep(50);
    finish(isWatched(client));
  },

  async "connected again after it was refused"() {
    const gone = createServer();
    const refusing = await listening(gone);
    gone.close();
    const port = await listening(holding());
    const client = connect(refusing, "127.0.0.1");
    client.once("error", () => client.connect(port, "127.0.0.1"));
    await new Promise((connected) => client.once("connect", connected));
    await sleep(50);
    finish(isWatched(client));
  },

  async "connected to the second of its addresses"() {
    const port = await listening(holding());
    const lookup = (_host, _options, done) =>
      done(null, [
        { address: "::1", family: 6 },
        { address: "127.0.0.1", family: 4 },
      ]);
    const client = quiet(connect({ port, host: "twice", lookup, autoSelectFamily: true }));
    await once(client, "connect");
    finish(isWatched(client));
  },

  async "stripped of listeners before it is connected"() {
    const port = await listening(holding());
    const client = connect(port, "127.0.0.1");
    await sleep(0);
    client.removeAllListeners();
    while (client.connecting) await sleep(5);
    finish(isWatched(client));
  },

  async "accepted by a TLS server stripped of listeners"() {
    const server = tls.createServer({ key: LAB_KEY, cert: LAB_CERTIFICATE });
    const port = await listening(server);
    const secure = () => quiet(tls.connect({ port, host: "127.0.0.1", rejectUnauthorized: false }));
    await Promise.all([once(server, "secureConnection"), secure()]);
    server.removeAllListeners("secureConnection");
    const [[socket]] = await Promise.all([once(server, "secureConnection"), secure()]);
    finish(isWatched(socket));
  },

  async "reset while nobody listens"() {
    const server = createServer({ pauseOnConnect: true });
    const client = connect(await listening(server), "127.0.0.1");
    const [[socket]] = await Promise.all([once(server, "connection"), once(client, "connect")]);
    client._handle.readStop();
    client._handle.reading = false;
    client.on("close", (hadError) => finish(hadError));
    await sleep(200);
    quiet(socket).resetAndDestroy();
  },

  async "reset under TLS that was put over it"() {
    const { client, socket } = await accepted();
    new tls.TLSSocket(socket, tlsServer).on("error", () => {});
    const secure = tls.connect({ socket: client, rejectUnauthorized: false });
    await once(secure, "secureConnect");
    client.removeAllListeners(); // it is the TLSSocket's now
    secure._handle.readStop(); // as Node does while the program takes no more
    secure._handle.reading = false;
    secure.on("error", ({ code }) => finish(code));
    await sleep(200);
    socket.resetAndDestroy();
  },
};

async function inCluster(policy) {
  cluster.schedulingPolicy = policy;
  if (cluster.isWorker) {
    const server = createServer(async (socket) => process.send(await isSoonWatched(socket)));
    process.send(await listening(server));
    return;
  }
  cluster.setupPrimary({ exec: SELF, args: [name] });
  const worker = cluster.fork();
  worker.once("message", (port) => {
    quiet(connect(port, "127.0.0.1"));
    worker.once("message", (result) => {
      finish(result);
      worker.kill();
    });
  });
}

await SCENES[name]();
