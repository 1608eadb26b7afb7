/**
 * A program that uses one client against a server, as the lab starts it: `node client-program.mjs CLIENT HOST alone|watched BUDGET_MS`. On
 * standard output it says, one JSON object a line with CLOCK_MONOTONIC in ms: ready, failed (a request), lost (the connection), back (works
 * again after a reconnect). Commands on standard input: request, block MS.
 */
import { createInterface } from "node:readline";
import * as heartbeat from "../../dist/heartbeat/index.js";

const [, , name, host, mode, budget] = process.argv;
const options = { detectWithinMs: Number(budget) };
const say = (event, more = {}) =>
  process.stdout.write(`${JSON.stringify({ event, at: Number(process.hrtime.bigint() / 1000n) / 1000, ...more })}\n`);
const watched = (make) => {
  if (mode !== "watched") return;
  make().on("dead", ({ cause, why }) => say("dead", { cause, why }));
};

/** Each: connects, says when it lost its connection and when it works again, and returns a request to be made later. */
const clients = {
  async ioredis() {
    const { Redis } = await import("ioredis");
    const redis = new Redis({ host, maxRetriesPerRequest: 0, retryStrategy: () => 200, connectTimeout: 1000 });
    redis
      .on("error", () => {})
      .on("close", () => say("lost"))
      .on("ready", () => say("back"));
    watched(() => heartbeat.watchIoredis(redis, options));
    await redis.ping();
    return () => redis.get("key");
  },
  async "ioredis-subscriber"() {
    const { Redis } = await import("ioredis");
    const redis = new Redis({ host, retryStrategy: () => 200, connectTimeout: 1000 });
    redis
      .on("error", () => {})
      .on("close", () => say("lost"))
      .on("ready", () => say("back"));
    watched(() => heartbeat.watchIoredis(redis, options));
    await redis.subscribe("news");
    return () => redis.subscribe("more");
  },
  async "ioredis-blocked"() {
    const { Redis } = await import("ioredis");
    const redis = new Redis({ host, maxRetriesPerRequest: 0, retryStrategy: () => 200, connectTimeout: 1000 });
    redis
      .on("error", () => {})
      .on("close", () => say("lost"))
      .on("ready", () => say("back"));
    watched(() => heartbeat.watchIoredis(redis, options));
    await redis.ping();
    redis.blpop("jobs", 0).catch(() => say("failed"));
    return () => redis.get("key");
  },
  async "node-redis"() {
    const { createClient } = await import("redis");
    const client = createClient({ socket: { host, reconnectStrategy: () => 200, connectTimeout: 1000 }, disableOfflineQueue: true });
    client.on("error", () => say("lost")).on("ready", () => say("back"));
    watched(() => heartbeat.watchNodeRedis(client, options));
    await client.connect();
    return () => client.get("key");
  },
  async pg() {
    const pg = await import("pg");
    const pool = new pg.default.Pool({ host, user: "postgres", max: 1, connectionTimeoutMillis: 1000, idleTimeoutMillis: 0 });
    pool.on("error", () => say("lost"));
    watched(() => heartbeat.watchPgPool(pool, options));
    await pool.query("select 1");
    return () => pool.query("select pg_sleep(0)");
  },
  async "pg-listen"() {
    const pg = await import("pg");
    const client = new pg.default.Client({ host, user: "postgres" });
    client.on("error", () => say("lost"));
    await client.connect();
    watched(() => heartbeat.watchPg(client, options));
    await client.query("listen news");
    return () => client.query("select 1");
  },
  async mysql2() {
    const mysql = await import("mysql2");
    const connection = mysql.default.createConnection({ host, user: "root", database: "mysql" });
    // A command that runs gets the error, and nobody else: the stream tells its end.
    connection.on("error", () => {});
    connection.stream.on("close", () => say("lost"));
    await new Promise((resolve, reject) => connection.connect((error) => (error ? reject(error) : resolve())));
    watched(() => heartbeat.watchMysql2(connection, options));
    return () => connection.promise().query("select 1");
  },
  async mqtt() {
    const { connectAsync } = await import("mqtt");
    const client = await connectAsync(`mqtt://${host}`, { reconnectPeriod: 200, connectTimeout: 1000 });
    client
      .on("error", () => {})
      .on("close", () => say("lost"))
      .on("connect", () => say("back"));
    watched(() => heartbeat.watchMqtt(client, options));
    return () => client.publishAsync("news", "x", { qos: 1 });
  },
  async amqplib() {
    const { connect } = await import("amqplib");
    const connection = await connect(`amqp://lab:lab@${host}`, { timeout: 5000 });
    connection.on("error", () => {}).on("close", () => say("lost"));
    watched(() => heartbeat.watchAmqp(connection, options));
    const channel = await connection.createChannel();
    channel.on("error", () => {});
    return () => channel.assertQueue("jobs");
  },
  async nats() {
    const { connect } = await import("@nats-io/transport-node");
    const connection = await connect({ servers: host, reconnectTimeWait: 200, timeout: 1000, maxReconnectAttempts: -1 });
    (async () => {
      for await (const { type } of connection.status()) {
        if (type === "disconnect") say("lost");
        if (type === "reconnect") say("back");
      }
    })();
    watched(() => heartbeat.watchNats(connection, options));
    return () => connection.flush();
  },
  async ws() {
    const { WebSocket } = await import("ws");
    const ws = new WebSocket(`ws://${host}:8080`);
    ws.on("error", () => {}).on("close", () => say("lost"));
    await new Promise((resolve) => ws.on("open", resolve));
    watched(() => heartbeat.watchWs(ws, options));
    return () =>
      new Promise((resolve, reject) => {
        ws.once("message", resolve).once("close", () => reject(new Error("closed")));
        ws.send("echo");
      });
  },
  async http2() {
    const { connect } = await import("node:http2");
    const session = connect(`http://${host}:8081`);
    session.on("error", () => {}).on("close", () => say("lost"));
    await new Promise((resolve) => session.on("connect", resolve));
    watched(() => heartbeat.watchHttp2(session, options));
    return () =>
      new Promise((resolve, reject) => {
        const stream = session.request({ ":path": "/" });
        stream.on("end", resolve).on("error", reject).resume();
      });
  },
};

const request = await clients[name]();
say("ready");
createInterface({ input: process.stdin })
  .on("line", (line) => {
    const [word, ms] = line.split(" ");
    if (word === "request") {
      request().then(
        () => say("answered"),
        (error) => say("failed", { message: error.message }),
      );
    } else if (word === "block") for (const until = performance.now() + Number(ms); performance.now() < until; );
  })
  .on("close", () => process.exit(0));
