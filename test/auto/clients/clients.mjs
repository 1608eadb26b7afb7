import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SSH_KEY } from "./servers.mjs";

/**
 * What makes a reconnect quick, so that tests need not wait for it; none of it changes when a
 * client notices a dead peer.
 */
const RETRY_MS = 200;
const CONNECT_MS = 1000;

/** @typedef {{ host: string; say: (event: string) => void }} Program */

/**
 * The dispatcher of Node's own fetch. No public name of Node's leads to it; undici gives every copy
 * of itself this symbol.
 */
const ownDispatcher = () => globalThis[Symbol.for("undici.globalDispatcher.1")];

async function text(response) {
  return (await response).text();
}

/** Asks the other host to connect to a port of ours by a client of this kind. */
async function dialBack(host, kind, port) {
  const { connect } = await import("node:net");
  connect(8109, host).end(`${kind} ${port}`);
}

async function mongodb({ host, say }, options) {
  const { MongoClient } = await import("mongodb");
  const hosts = [27_017, 27_018, 27_019].map((port) => `${host}:${port}`).join();
  const client = new MongoClient(`mongodb://${hosts}/?replicaSet=lab`, {
    serverSelectionTimeoutMS: CONNECT_MS,
    ...options,
  });
  await client.connect();
  client.on("connectionPoolCleared", () => say("lost"));
  const request = () => client.db("lab").command({ ping: 1 });
  await request();
  return request;
}

async function cassandra({ host, say }, { pooling, readTimeout } = {}) {
  const { default: driver } = await import("cassandra-driver");
  const { reconnection, retry } = driver.policies;
  const client = new driver.Client({
    contactPoints: [host],
    localDataCenter: "lab",
    protocolOptions: { maxVersion: 4 },
    isMetadataSyncEnabled: false,
    pooling,
    policies: {
      reconnection: new reconnection.ConstantReconnectionPolicy(RETRY_MS),
      retry: new retry.FallthroughRetryPolicy(),
    },
    socketOptions: { connectTimeout: CONNECT_MS, ...(readTimeout && { readTimeout }) },
  });
  client.on("hostDown", () => say("lost")).on("hostUp", () => say("back"));
  await client.connect();
  return () => client.execute("SELECT key FROM system.local");
}

async function opcua({ host, say }, options) {
  // It warns on standard output, and keeps its keys in the user's folder.
  console.log = console.error;
  process.env.XDG_CONFIG_HOME ??= mkdtempSync(join(tmpdir(), "halfopen-opcua-"));
  const { OPCUAClient } = await import("node-opcua-client");
  const client = OPCUAClient.create({
    endpointMustExist: false,
    connectionStrategy: { initialDelay: RETRY_MS, maxDelay: 2 * RETRY_MS },
    ...options,
  });
  client.on("connection_lost", () => say("lost"));
  client.on("connection_reestablished", () => say("back"));
  await client.connect(`opc.tcp://${host}:4840`);
  const session = await client.createSession();
  const CURRENT_TIME = "i=2258";
  return () => session.read({ nodeId: CURRENT_TIME });
}

async function ssh2({ host, say }, options) {
  const { default: ssh } = await import("ssh2");
  const client = new ssh.Client();
  client.on("error", () => {}).on("close", () => say("lost"));
  client.connect({ host, username: "root", privateKey: SSH_KEY, ...options });
  await new Promise((resolve, reject) => client.once("ready", resolve).once("close", reject));
  return () =>
    new Promise((resolve, reject) =>
      client.exec("true", (error, stream) =>
        error ? reject(error) : stream.on("close", resolve).resume(),
      ),
    );
}

async function rhea({ host, say }, options) {
  const { default: amqp } = await import("rhea");
  const connection = amqp.create_container().connect({
    host,
    port: 5672,
    username: "lab",
    password: "lab",
    initial_reconnect_delay: RETRY_MS,
    max_reconnect_delay: RETRY_MS,
    ...options,
  });
  connection.on("disconnected", () => say("lost")).on("connection_open", () => say("back"));
  const sender = connection.open_sender("/queue/jobs");
  await once(sender, "sendable");
  return () =>
    new Promise((resolve, reject) => {
      if (!sender.sendable()) throw new Error("no credit");
      const delivery = sender.send({ body: "x" });
      sender.on("accepted", (context) => context.delivery === delivery && resolve());
      connection.once("disconnected", ({ error }) => reject(error ?? new Error("disconnected")));
    });
}

async function stompit({ host, say }, heartBeat) {
  const { default: stomp } = await import("stompit");
  const client = await new Promise((resolve, reject) =>
    stomp.connect(
      {
        host,
        port: 61_613,
        connectHeaders: { host: "/", login: "lab", passcode: "lab", "heart-beat": heartBeat },
      },
      (error, connected) => (error ? reject(error) : resolve(connected)),
    ),
  );
  client.on("error", () => say("lost"));
  return () =>
    new Promise((resolve, reject) => {
      const onReceipt = (error) => (error ? reject(error) : resolve());
      client.once("error", reject);
      client.send({ destination: "/queue/news" }, { onReceipt }).end("x");
    });
}

async function colyseusServer({ host, say }, options = {}) {
  const { Server } = await import("@colyseus/core");
  const { WebSocketTransport } = await import("@colyseus/ws-transport");
  const { EchoRoom } = await import("./echo-room.mjs");
  const server = new Server({
    transport: new WebSocketTransport(options),
    greet: false,
    gracefullyShutdown: false,
  });
  server.define("echo", EchoRoom);
  await server.listen(0);

  const answers = [];
  EchoRoom.seen.answered = () => answers.shift()?.resolve();
  EchoRoom.seen.left = () => {
    say("lost");
    for (const { reject } of answers.splice(0)) reject(new Error("left"));
  };
  const joined = new Promise((resolve) => {
    EchoRoom.seen.joined = resolve;
  });
  dialBack(host, "colyseus", server.transport.server.address().port);
  const client = await joined;
  return () =>
    new Promise((resolve, reject) => {
      answers.push({ resolve, reject });
      client.send("echo", "x");
    });
}

/**
 * Clients for which halfopen has no adapter, and needs none. Each connects, says when it lost its
 * connection and when it works again, and returns a request to be made later.
 *
 * @type {Record<string, (program: Program) => Promise<() => Promise<unknown>>>}
 */
export const otherClients = {
  mongodb: (program) => mongodb(program),
  "mongodb-monitor": (program) =>
    mongodb(program, { heartbeatFrequencyMS: 1000, connectTimeoutMS: 3000 }),

  async fetch({ host, say }) {
    const request = () => text(fetch(`http://${host}:8101`));
    await request();
    // Other clients of this program use the same dispatcher.
    ownDispatcher().on("disconnect", ({ port }) => port === "8101" && say("lost"));
    return request;
  },

  async "fetch-stream"({ host, say }) {
    const open = async () => {
      const reader = (await fetch(`http://${host}:8101/news`)).body.getReader();
      await reader.read();
      reader.read().catch(() => say("lost"));
    };
    await open();
    return open;
  },

  async "undici-pool"({ host, say }) {
    const { Pool } = await import("undici");
    const pool = new Pool(`http://${host}:8101`, { keepAliveTimeout: 60_000 });
    pool.on("disconnect", () => say("lost"));
    const request = async () => (await pool.request({ path: "/", method: "GET" })).body.text();
    await request();
    return request;
  },

  async "undici-h2"({ host, say }) {
    const { Agent, fetch } = await import("undici");
    const dispatcher = new Agent({ allowH2: true, connect: { rejectUnauthorized: false } });
    dispatcher.on("disconnect", () => say("lost"));
    const request = () => text(fetch(`https://${host}:8102`, { dispatcher }));
    await request();
    return request;
  },

  async websocket({ host, say }) {
    const ws = new WebSocket(`ws://${host}:8103`);
    const next = (event) =>
      new Promise((resolve) => ws.addEventListener(event, resolve, { once: true }));
    ws.addEventListener("close", () => say("lost"));
    // One that cannot connect has no 'close' on Node 20.
    if ((await Promise.race([next("open"), next("error")])).type === "error")
      throw new Error("not connected");
    return async () => {
      if (ws.readyState !== WebSocket.OPEN) throw new Error("not open");
      ws.send("x");
      const { type } = await Promise.race([next("message"), next("close")]);
      if (type === "close") throw new Error("closed");
    };
  },

  async kafkajs({ host, say }) {
    const { default: kafkajs } = await import("kafkajs");
    // Nothing but its log tells of a connection that is lost while idle.
    const logCreator =
      () =>
      ({ log: { message } }) => {
        if (message.startsWith("Connection error")) say("lost");
      };
    const admin = new kafkajs.Kafka({
      brokers: [`${host}:9092`],
      connectionTimeout: CONNECT_MS,
      retry: { retries: 0 },
      logCreator,
    }).admin();
    await admin.connect();
    return () => admin.listTopics();
  },

  cassandra: (program) => cassandra(program),
  "cassandra-heartbeat": (program) =>
    cassandra(program, { pooling: { heartBeatInterval: 2000 }, readTimeout: 2000 }),

  async tedious({ host, say }) {
    const { default: tedious } = await import("tedious");
    const connection = new tedious.Connection({
      server: host,
      authentication: { type: "default", options: { userName: "lab", password: "lab" } },
      options: { encrypt: false, connectTimeout: 5000 },
    });
    connection.on("error", () => {}).on("end", () => say("lost"));
    await new Promise((resolve, reject) =>
      connection.connect((error) => (error ? reject(error) : resolve())),
    );
    return () =>
      new Promise((resolve, reject) =>
        connection.execSqlBatch(
          new tedious.Request("select 1", (error) => (error ? reject(error) : resolve())),
        ),
      );
  },

  async elasticsearch({ host, say }) {
    const { Client } = await import("@elastic/elasticsearch");
    const client = new Client({ node: `http://${host}:9200`, maxRetries: 0 });
    await client.info();
    for (const { pool } of client.connectionPool.connections)
      pool.on("disconnect", () => say("lost"));
    return () => client.info();
  },

  rhea: (program) => rhea(program),
  "rhea-idle-timeout": (program) => rhea(program, { idle_time_out: 2000 }),

  async imapflow({ host, say }) {
    const { ImapFlow } = await import("imapflow");
    const client = new ImapFlow({
      host,
      port: 143,
      secure: false,
      doSTARTTLS: false,
      auth: { user: "lab", pass: "lab" },
      logger: false,
    });
    client.on("error", () => {}).on("close", () => say("lost"));
    await client.connect();
    await client.mailboxOpen("INBOX");
    client.idle();
    return () => client.status("INBOX", { messages: true });
  },

  "node-opcua": (program) => opcua(program),
  "node-opcua-keepalive": (program) =>
    opcua(program, { keepSessionAlive: true, keepAliveInterval: 1500, transportTimeout: 3000 }),

  ssh2: (program) => ssh2(program),
  "ssh2-keepalive": (program) => ssh2(program, { keepaliveInterval: 1500, keepaliveCountMax: 2 }),

  async colyseus({ host, say }) {
    const { Client } = await import("colyseus.js");
    const room = await new Client(`ws://${host}:8104`).joinOrCreate("echo");
    const answers = [];
    room.onMessage("echo", () => answers.shift()?.resolve());
    room.onLeave(() => {
      say("lost");
      for (const { reject } of answers.splice(0)) reject(new Error("left"));
    });
    return () =>
      new Promise((resolve, reject) => {
        answers.push({ resolve, reject });
        room.send("echo", "x");
      });
  },

  /** Its own pings, which take up to 9 s, are off. */
  "colyseus-server": (program) => colyseusServer(program, { pingInterval: 0 }),
  "colyseus-server-pings": (program) => colyseusServer(program),

  async "socket.io-server"({ host, say }) {
    const { Server } = await import("socket.io");
    const server = new Server(0);
    dialBack(host, "socket.io", server.httpServer.address().port);
    const [socket] = await once(server, "connection");
    if (socket.conn.transport.name === "polling") await once(socket.conn, "upgrade");
    socket.on("disconnect", () => say("lost"));
    return () =>
      new Promise((resolve, reject) => {
        socket.once("disconnect", () => reject(new Error("disconnected")));
        socket.emitWithAck("echo", "x").then(resolve, reject);
      });
  },

  stompit: (program) => stompit(program, "0,0"),
  "stompit-heart-beat": (program) => stompit(program, "2000,2000"),

  async postgres({ host, say }) {
    const { default: postgres } = await import("postgres");
    const sql = postgres({
      host,
      username: "postgres",
      max: 1,
      connect_timeout: 1,
      onclose: () => say("lost"),
    });
    await sql`select 1`;
    return () => sql`select 1`;
  },

  async mariadb({ host, say }) {
    const { default: mariadb } = await import("mariadb");
    const connection = await mariadb.createConnection({ host, user: "root" });
    connection.on("error", () => {}).on("end", () => say("lost"));
    return () => connection.query("select 1");
  },
};
