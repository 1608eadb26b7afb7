import { once } from "node:events";
import * as heartbeat from "../../dist/heartbeat/index.js";

/**
 * What makes a reconnect quick, so that tests need not wait for it; none of it changes when a
 * client notices a dead peer.
 */
const RETRY_MS = 200;
const CONNECT_MS = 1000;

function redisSaying(redis, say) {
  return redis
    .on("error", () => {})
    .on("close", () => say("lost"))
    .on("ready", () => say("back"));
}

async function newIoredis({ host, say, watched }, options) {
  const { Redis } = await import("ioredis");
  const redis = redisSaying(
    new Redis({ host, retryStrategy: () => RETRY_MS, connectTimeout: CONNECT_MS, ...options }),
    say,
  );
  watched((watch) => heartbeat.watchIoredis(redis, watch));
  return redis;
}

/** Waits for a job for a second at a time, for ever; resolves when it has begun. */
async function waitsForJobs(waitASecond) {
  (async () => {
    for (;;) await waitASecond();
  })().catch(() => {});
}

/** Sends a WebSocket or an engine a message and waits for its echo, or for its end. */
async function echo(emitter, message) {
  if (emitter.readyState !== 1 && emitter.readyState !== "open") throw new Error("not open");
  emitter.send(message);
  return new Promise((resolve, reject) => {
    emitter.once("message", resolve);
    emitter.once("close", () => reject(new Error("closed")));
  });
}

async function grpcClient({ host, say, watched }, port) {
  const { Client, credentials } = await import("@grpc/grpc-js");
  const READY = 2;
  const client = new Client(`${host}:${port}`, credentials.createInsecure(), {
    "grpc.initial_reconnect_backoff_ms": RETRY_MS,
    "grpc.max_reconnect_backoff_ms": CONNECT_MS,
  });
  watched((watch) => heartbeat.watchGrpc(client, watch));
  const asIs = (bytes) => bytes;
  const request = () =>
    new Promise((resolve, reject) =>
      client.makeUnaryRequest("/lab.Echo/Echo", asIs, asIs, Buffer.from("x"), (error, answer) =>
        error ? reject(error) : resolve(answer),
      ),
    );
  await new Promise((resolve, reject) =>
    client.waitForReady(Date.now() + 10_000, (error) => (error ? reject(error) : resolve())),
  );
  const channel = client.getChannel();
  const follow = (was) =>
    channel.watchConnectivityState(was, Infinity, () => {
      // A channel without a connection makes none until it is asked.
      const state = channel.getConnectivityState(true);
      if (was === READY) say("lost");
      if (state === READY) say("back");
      follow(state);
    });
  follow(READY);
  await request();
  return Object.assign(request, { ends: { close: () => client.close() } });
}

/** Asks the other host to connect to a server of ours, and resolves with what it accepted. */
async function connectedBack(port, kind, host, server) {
  const { connect } = await import("node:net");
  const connection = once(server, "connection");
  connect(8090, host).end(`${kind} ${port}`);
  return (await connection)[0];
}

/**
 * Each connects, says when it lost its connection and when it works again, and returns a request to
 * be made later; on it, functions that bring the client into a state: `blocked` by commands with a
 * timeout, in a `transaction`; and its `ends`, which end the client. `watched(start)` starts the
 * watch where one is wanted.
 */
export const clients = {
  async ioredis(program) {
    const redis = await newIoredis(program, { maxRetriesPerRequest: 0 });
    await redis.ping();
    return Object.assign(() => redis.get("key"), {
      blocked: () => waitsForJobs(() => redis.blpop("jobs", 1)),
      transaction: () => redis.multi({ pipeline: false }),
      ends: { quit: () => redis.quit(), disconnect: () => redis.disconnect() },
    });
  },

  async "ioredis-subscriber"(program) {
    const redis = await newIoredis(program);
    await redis.subscribe("news");
    return Object.assign(() => redis.subscribe("more"), { ends: { quit: () => redis.quit() } });
  },

  async "ioredis-blocked"(program) {
    const redis = await newIoredis(program, { maxRetriesPerRequest: 0 });
    await redis.ping();
    redis.blpop("jobs", 0).catch(() => program.say("failed"));
    return () => redis.get("key");
  },

  async "node-redis"({ host, say, watched }) {
    const { createClient } = await import("redis");
    const socket = { host, reconnectStrategy: () => RETRY_MS, connectTimeout: CONNECT_MS };
    const client = createClient({ socket, disableOfflineQueue: true });
    client.on("error", () => say("lost")).on("ready", () => say("back"));
    watched((watch) => heartbeat.watchNodeRedis(client, watch));
    await client.connect();
    return Object.assign(() => client.get("key"), {
      blocked: () => waitsForJobs(() => client.blPop("jobs", 1)),
      transaction: () => client.sendCommand(["MULTI"]),
      ends: { close: () => client.close(), quit: () => client.quit() },
    });
  },

  async pg({ host, say, watched }) {
    const pg = await import("pg");
    const pool = new pg.default.Pool({
      host,
      user: "postgres",
      max: 1,
      connectionTimeoutMillis: CONNECT_MS,
      idleTimeoutMillis: 0,
    });
    pool.on("error", () => say("lost"));
    watched((watch) => heartbeat.watchPgPool(pool, watch));
    await pool.query("select 1");
    return Object.assign(() => pool.query("select pg_sleep(0)"), {
      transaction: async () => (await pool.connect()).query("begin"),
      ends: { end: () => pool.end() },
    });
  },

  async "pg-listen"({ host, say, watched }) {
    const pg = await import("pg");
    const client = new pg.default.Client({ host, user: "postgres" });
    client.on("error", () => say("lost"));
    await client.connect();
    watched((watch) => heartbeat.watchPg(client, watch));
    await client.query("listen news");
    return Object.assign(() => client.query("select 1"), { ends: { end: () => client.end() } });
  },

  async mysql2({ host, say, watched }) {
    const mysql = await import("mysql2");
    const connection = mysql.default.createConnection({ host, user: "root", database: "mysql" });
    // A command that runs gets the error, and nobody else: the stream tells its end.
    connection.on("error", () => {});
    connection.stream.on("close", () => say("lost"));
    await new Promise((resolve, reject) =>
      connection.connect((error) => (error ? reject(error) : resolve())),
    );
    watched((watch) => heartbeat.watchMysql2(connection, watch));
    return Object.assign(() => connection.promise().query("select 1"), {
      transaction: () => connection.promise().query("begin"),
      ends: { end: () => connection.promise().end() },
    });
  },

  async mqtt({ host, say, watched }) {
    const { connectAsync } = await import("mqtt");
    const client = await connectAsync(`mqtt://${host}`, {
      reconnectPeriod: RETRY_MS,
      connectTimeout: CONNECT_MS,
    });
    client
      .on("error", () => {})
      .on("close", () => say("lost"))
      .on("connect", () => say("back"));
    watched((watch) => heartbeat.watchMqtt(client, watch));
    return Object.assign(() => client.publishAsync("news", "x", { qos: 1 }), {
      ends: {
        end: () => client.endAsync(),
        "end behind a message": () => {
          client.publish("news", "x", { qos: 1 });
          return client.endAsync();
        },
      },
    });
  },

  async amqplib({ host, say, watched }) {
    const { connect } = await import("amqplib");
    const connection = await connect(`amqp://lab:lab@${host}`, { timeout: 5000 });
    connection.on("error", () => {}).on("close", () => say("lost"));
    watched((watch) => heartbeat.watchAmqp(connection, watch));
    const channel = await connection.createChannel();
    channel.on("error", () => {});
    return Object.assign(() => channel.assertQueue("jobs"), {
      ends: { close: () => connection.close() },
    });
  },

  async nats({ host, say, watched }) {
    const { connect } = await import("@nats-io/transport-node");
    const connection = await connect({
      servers: host,
      reconnectTimeWait: RETRY_MS,
      timeout: CONNECT_MS,
      maxReconnectAttempts: -1,
    });
    (async () => {
      for await (const { type } of connection.status()) {
        if (type === "disconnect") say("lost");
        if (type === "reconnect") say("back");
      }
    })();
    watched((watch) => heartbeat.watchNats(connection, watch));
    return Object.assign(() => connection.flush(), {
      ends: { close: () => connection.close(), drain: () => connection.drain() },
    });
  },

  async ws({ host, say, watched }) {
    const { WebSocket } = await import("ws");
    const ws = new WebSocket(`ws://${host}:8080`);
    ws.on("error", () => {}).on("close", () => say("lost"));
    await once(ws, "open");
    watched((watch) => heartbeat.watchWs(ws, watch));
    return Object.assign(() => echo(ws, "x"), { ends: { close: () => ws.close() } });
  },

  async "ws-server"({ host, say, watched }) {
    const { WebSocketServer } = await import("ws");
    const server = new WebSocketServer({ port: 0, host: "0.0.0.0" });
    watched((watch) => heartbeat.watchWsServer(server, watch));
    await once(server, "listening");
    const ws = await connectedBack(server.address().port, "ws", host, server);
    ws.on("error", () => {}).on("close", () => say("lost"));
    return Object.assign(() => echo(ws, "x"), { ends: { close: () => ws.close() } });
  },

  async frames({ host, say, watched }) {
    const { connect } = await import("node:net");
    const { watch } = await import("../../dist/index.js");
    const socket = connect(8085, host);
    const channel = heartbeat.frameHeartbeat(socket, heartbeat.newline());
    channel.on("error", () => {}).on("close", () => say("lost"));
    await once(socket, "connect");
    watched((options) => watch(socket, { ...options, heartbeat: channel.heartbeat }));
    const request = () => {
      channel.write("x");
      return new Promise((resolve, reject) => channel.once("data", resolve).once("error", reject));
    };
    return Object.assign(request, { ends: { end: () => channel.end() } });
  },

  async http2({ host, say, watched }) {
    const { connect } = await import("node:http2");
    const session = connect(`http://${host}:8081`);
    session.on("error", () => {}).on("close", () => say("lost"));
    await once(session, "connect");
    watched((watch) => heartbeat.watchHttp2(session, watch));
    const request = () =>
      new Promise((resolve, reject) => {
        const stream = session.request({ ":path": "/" });
        stream.on("end", resolve).on("error", reject).resume();
      });
    return Object.assign(request, {
      ends: { close: () => session.close(), destroy: () => session.destroy() },
    });
  },

  grpc: (program) => grpcClient(program, 8082),

  /** Against gRPC's C core, which punishes pings. */
  "grpc-core": (program) => grpcClient(program, 50_051),

  async "engine.io"({ host, say, watched }) {
    const { Socket } = await import("engine.io-client");
    const socket = new Socket(`ws://${host}:8083`);
    socket.on("close", () => say("lost"));
    watched((watch) => heartbeat.watchEngineIo(socket, watch));
    await new Promise((resolve, reject) => socket.once("upgrade", resolve).once("close", reject));
    return Object.assign(() => echo(socket, "x"), { ends: { close: () => socket.close() } });
  },

  async "engine.io-server"({ host, say, watched }) {
    const { listen } = await import("engine.io");
    const server = listen(0);
    watched((watch) => heartbeat.watchEngineIoServer(server, watch));
    await once(server.httpServer, "listening");
    const socket = await connectedBack(server.httpServer.address().port, "engine.io", host, server);
    socket.on("close", () => say("lost"));
    return Object.assign(() => echo(socket, "x"), { ends: { close: () => socket.close() } });
  },

  async "socket.io"({ host, say, watched }) {
    const { io } = await import("socket.io-client");
    const socket = io(`ws://${host}:8084`, {
      reconnectionDelay: RETRY_MS,
      reconnectionDelayMax: RETRY_MS,
      timeout: CONNECT_MS,
    });
    socket.on("disconnect", () => say("lost")).on("connect", () => say("back"));
    watched((watch) => heartbeat.watchSocketIo(socket, watch));
    await new Promise((resolve) => socket.once("connect", resolve));
    return Object.assign(() => socket.emitWithAck("echo", "x"), {
      ends: { disconnect: () => socket.disconnect() },
    });
  },
};
