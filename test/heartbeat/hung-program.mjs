/**
 * A program with many watched clients, each in one state, as the lab starts it: `node
 * hung-program.mjs HOST BUDGET_MS`. It says one JSON object a line with CLOCK_MONOTONIC in ms:
 * `enters` with `client` and `state`, `ready` when all are in their state, and `dead` (the watch's
 * verdict) with both again.
 */
import { once } from "node:events";
import * as heartbeat from "../../dist/heartbeat/index.js";

const [, , host, budget] = process.argv;
const budgetMs = Number(budget);

function say(event, more) {
  process.stdout.write(
    `${JSON.stringify({ event, at: Number(process.hrtime.bigint() / 1000n) / 1000, ...more })}\n`,
  );
}

/** Does it again and again, until it fails. */
async function repeat(action) {
  for (;;) await action();
}

const REDIS = {
  idle: () => {},
  waiting: ({ get }) => repeat(get),
  blocked: ({ blockFor1s }) => repeat(blockFor1s),
  transaction: ({ multi }) => multi(),
};
const SQL = {
  idle: () => {},
  waiting: ({ query }) => query(),
  transaction: ({ begin }) => begin(),
};
const SERVES = { idle: () => {}, waiting: ({ request }) => request() };

/** Makes a client and its watch. Returns what brings it into each state. */
const CLIENTS = {
  ioredis: [
    REDIS,
    async (watched) => {
      const { Redis } = await import("ioredis");
      const redis = new Redis({ host }).on("error", () => {});
      watched(heartbeat.watchIoredis, redis);
      await redis.ping();
      return {
        get: () => redis.get("key"),
        blockFor1s: () => redis.blpop("jobs", 1),
        multi: () => redis.multi({ pipeline: false }),
      };
    },
  ],
  "node-redis": [
    REDIS,
    async (watched) => {
      const { createClient } = await import("redis");
      const client = createClient({ socket: { host } }).on("error", () => {});
      watched(heartbeat.watchNodeRedis, client);
      await client.connect();
      return {
        get: () => client.get("key"),
        blockFor1s: () => client.blPop("jobs", 1),
        multi: () => client.sendCommand(["MULTI"]),
      };
    },
  ],
  pg: [
    SQL,
    async (watched) => {
      const { default: pg } = await import("pg");
      const client = new pg.Client({ host, user: "postgres" }).on("error", () => {});
      await client.connect();
      watched(heartbeat.watchPg, client);
      return {
        query: () => client.query("select pg_sleep(600)"),
        begin: () => client.query("begin"),
      };
    },
  ],
  mysql2: [
    SQL,
    async (watched) => {
      const { default: mysql } = await import("mysql2");
      const connection = mysql.createConnection({ host, user: "root", database: "mysql" });
      connection.on("error", () => {});
      await once(connection, "connect");
      watched(heartbeat.watchMysql2, connection);
      return {
        query: () => connection.promise().query("select sleep(600)"),
        begin: () => connection.promise().query("begin"),
      };
    },
  ],
  amqplib: [
    SERVES,
    async (watched) => {
      const { connect } = await import("amqplib");
      const connection = await connect(`amqp://lab:lab@${host}`, { timeout: 5000 });
      connection.on("error", () => {});
      watched(heartbeat.watchAmqp, connection);
      const channel = await connection.createConfirmChannel();
      channel.on("error", () => {});
      return { request: () => repeat(() => channel.checkExchange("amq.direct")) };
    },
  ],
  mqtt: [
    SERVES,
    async (watched) => {
      const { connectAsync } = await import("mqtt");
      const client = await connectAsync(`mqtt://${host}`);
      client.on("error", () => {});
      watched(heartbeat.watchMqtt, client);
      return { request: () => repeat(() => client.publishAsync("news", "x", { qos: 1 })) };
    },
  ],
  nats: [
    SERVES,
    async (watched) => {
      const { connect } = await import("@nats-io/transport-node");
      const connection = await connect({ servers: host });
      watched(heartbeat.watchNats, connection);
      connection.subscribe("silent");
      return { request: () => connection.request("silent", "x", { timeout: 60_000 }) };
    },
  ],
  ws: [
    SERVES,
    async (watched) => {
      const { WebSocket } = await import("ws");
      const ws = new WebSocket(`ws://${host}:8080`).on("error", () => {});
      await once(ws, "open");
      watched(heartbeat.watchWs, ws);
      return {
        request: () =>
          repeat(() => {
            ws.send("x");
            return once(ws, "message");
          }),
      };
    },
  ],
  http2: [
    SERVES,
    async (watched) => {
      const { connect } = await import("node:http2");
      const session = connect(`http://${host}:8081`).on("error", () => {});
      await once(session, "connect");
      watched(heartbeat.watchHttp2, session);
      return {
        request: () =>
          repeat(() =>
            once(
              session
                .request({ ":path": "/" })
                .on("error", () => {})
                .resume(),
              "end",
            ),
          ),
      };
    },
  ],
};

for (const [client, [states, make]] of Object.entries(CLIENTS))
  for (const [state, enter] of Object.entries(states)) {
    const watched = (watch, of) =>
      watch(of, { detectWithinMs: budgetMs }).on("dead", ({ cause, why }) =>
        say("dead", { client, state, cause, why }),
      );
    Promise.resolve(enter(await make(watched))).catch(() => {});
    say("enters", { client, state });
  }
// Until every server has answered a heartbeat
setTimeout(() => say("ready"), 2 * budgetMs);
process.on("unhandledRejection", () => {});
process.stdin.on("close", () => process.exit(0)).resume();
