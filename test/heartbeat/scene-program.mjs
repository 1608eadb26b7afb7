/**
 * A program with one watched client in one state, as the lab starts it: `node scene-program.mjs
 * SCENE HOST BUDGET_MS`. It says one JSON object a line with CLOCK_MONOTONIC in ms: `ready` (the
 * state has begun), `dead` (the watch's verdict), `ended` (by the server), `done` (with what the
 * scene found).
 */
import { connect as connectTcp } from "node:net";
import { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import * as heartbeat from "../../dist/heartbeat/index.js";

const [, , scene, host, budget] = process.argv;
const budgetMs = Number(budget);

function say(event, more) {
  process.stdout.write(
    `${JSON.stringify({ event, client: scene, at: Number(process.hrtime.bigint() / 1000n) / 1000, ...more })}\n`,
  );
}

function follow(watch) {
  for (const event of ["suspect", "dead"])
    watch.on(event, ({ cause, why }) => say(event, { cause, why }));
}

/** A stream over a socket that it hides, as a tunnel's channel does. */
function tunnelTo(port) {
  const socket = connectTcp(port, host);
  const stream = new Duplex({
    read: () => socket.resume(),
    write: (chunk, _, done) => socket.write(chunk, done),
    destroy(error, done) {
      socket.destroy();
      done(error);
    },
  });
  socket.on("data", (data) => stream.push(data) || socket.pause());
  socket.on("error", (error) => stream.destroy(error)).on("end", () => stream.push(null));
  // Members of a socket that clients call
  return Object.assign(stream, {
    connect: () => socket.once("connect", () => stream.emit("connect")),
    setNoDelay() {},
    setKeepAlive() {},
    setTimeout() {},
    ref() {},
    unref() {},
  });
}

/** Says the level of the watch, once a heartbeat has been answered. */
async function sayLevel(watch) {
  follow(watch);
  await sleep(2 * budgetMs);
  say("ready", { level: watch.current?.applied?.level });
}

async function pgClient(options) {
  const { default: pg } = await import("pg");
  const client = new pg.Client({ host, user: "postgres", ...options });
  client.on("error", ({ code }) => code && say("ended", { code }));
  await client.connect();
  return client;
}

async function mysqlConnection() {
  const { default: mysql } = await import("mysql2");
  const connection = mysql.createConnection({ host, user: "root", database: "mysql" });
  await new Promise((resolve, reject) =>
    connection.connect((error) => (error ? reject(error) : resolve())),
  );
  connection.on("error", () => {});
  connection.stream.on("close", () => say("ended"));
  return connection;
}

const LEFT_IDLE = { detectWithinMs: budgetMs, askIdleForMs: 2500 };

/** A client that the program leaves idle until heartbeats rest, and then uses again. */
async function usedAgain(use) {
  await sleep(LEFT_IDLE.askIdleForMs + budgetMs);
  say("ready");
  await sleep(1500);
  say("uses");
  await use();
  say("done");
}

async function pooledClient() {
  const client = await pgClient({ port: 6432 });
  follow(heartbeat.watchPg(client, { detectWithinMs: budgetMs }));
  return client;
}

/** The pooler has one connection to the server. Another client holds it for three budgets. */
async function outlastsFullPool(client) {
  const holder = await pgClient({ port: 6432 });
  await holder.query("begin");
  await sleep(3 * budgetMs);
  await holder.query("commit");
  await holder.end();
  await client.query("select 1");
}

/** A transaction in which the program forgets to go on. */
async function forgottenByMysql(begin) {
  const connection = await mysqlConnection();
  follow(heartbeat.watchMysql2(connection, { detectWithinMs: budgetMs }));
  await connection.promise().query("set session idle_transaction_timeout = 3");
  await begin(connection.promise());
  say("ready");
}

const SCENES = {
  async "pg-forgotten"() {
    const client = await pgClient();
    follow(heartbeat.watchPg(client, { detectWithinMs: budgetMs }));
    await client.query("set idle_in_transaction_session_timeout = '3s'");
    await client.query("begin");
    say("ready");
  },

  /** A transaction that failed is one still. */
  async "pg-failed"() {
    const client = await pgClient();
    follow(heartbeat.watchPg(client, { detectWithinMs: budgetMs }));
    await client.query("set idle_in_transaction_session_timeout = '3s'");
    await client.query("begin");
    await client.query("nonsense").catch(() => {});
    say("ready");
  },

  async "pg-committed"() {
    const client = await pgClient();
    const observer = await pgClient();
    follow(heartbeat.watchPg(client, { detectWithinMs: budgetMs }));
    const lastQuery = async () =>
      (
        await observer.query("select query from pg_stat_activity where pid = $1", [
          client.processID,
        ])
      ).rows[0].query;
    await client.query("begin");
    await sleep(budgetMs);
    const inTransaction = await lastQuery();
    await client.query("select pg_sleep($1)", [(2 * budgetMs) / 1000]);
    await client.query("commit");
    await sleep(budgetMs);
    say("done", { inTransaction, after: await lastQuery() });
  },

  "mysql-forgotten": () => forgottenByMysql((connection) => connection.query("begin")),

  "mysql-select": () =>
    forgottenByMysql(async (connection) => {
      await connection.query(
        "create or replace table test_rows (id int primary key) engine = innodb",
      );
      await connection.query("set autocommit = 0");
      await connection.query("select * from test_rows");
    }),

  "mysql-prepared": () =>
    forgottenByMysql(async (connection) => {
      await connection.execute("start transaction");
      await connection.execute("select ? + 1", [1]);
    }),

  async "pg-stream"() {
    const { default: pg } = await import("pg");
    const pool = new pg.Pool({ host, user: "postgres", stream: () => tunnelTo(5432), max: 1 });
    pool.on("error", () => say("ended"));
    await pool.query("select 1");
    await sayLevel(heartbeat.watchPgPool(pool, { detectWithinMs: budgetMs }));
  },

  async "mysql-stream"() {
    const { default: mysql } = await import("mysql2");
    const pool = mysql.createPool({
      host,
      user: "root",
      database: "mysql",
      stream: () => {
        const stream = tunnelTo(3306);
        stream.connect();
        return stream;
      },
    });
    await pool.promise().query("select 1");
    await sayLevel(heartbeat.watchMysql2Pool(pool, { detectWithinMs: budgetMs }));
  },

  /** One node is there before the watch, the other comes later. */
  async "mysql-pool-cluster"() {
    const { default: mysql } = await import("mysql2/promise");
    const cluster = mysql.createPoolCluster();
    const node = { host, user: "root", database: "mysql" };
    cluster.add("first", node);
    await (await cluster.getConnection("first")).query("select 1");
    const watch = heartbeat.watchMysql2Pool(cluster, { detectWithinMs: budgetMs });
    cluster.poolCluster.add("second", node);
    await (await cluster.getConnection("second")).query("select 1");
    await (await cluster.getConnection("first")).query("select 1");
    follow(watch);
    await sleep(2 * budgetMs);
    say("ready", { level: watch.currents.map(({ applied }) => applied.level).join() });
  },

  async "mysql-committed"() {
    const connection = await mysqlConnection();
    const observer = (await mysqlConnection()).promise();
    const questions = async () =>
      Number(
        (
          await observer.query(
            `select variable_value as count from information_schema.global_status where variable_name = 'com_admin_commands'`,
          )
        )[0][0].count,
      );
    follow(heartbeat.watchMysql2(connection, { detectWithinMs: budgetMs }));
    await connection.promise().query("begin");
    const before = await questions();
    await sleep(budgetMs);
    const inTransaction = (await questions()) - before;
    await connection.promise().query("commit");
    await sleep(budgetMs);
    say("done", { inTransaction, after: (await questions()) - before });
  },

  async "pg-idle"() {
    const client = await pgClient();
    await client.query("set idle_session_timeout = '3s'");
    follow(heartbeat.watchPg(client, LEFT_IDLE));
    say("ready");
  },

  async "mysql-idle"() {
    const connection = await mysqlConnection();
    await connection.promise().query("set session wait_timeout = 3");
    follow(heartbeat.watchMysql2(connection, LEFT_IDLE));
    say("ready");
  },

  async "pg-used-again"() {
    // The client itself gives up sooner than the watch
    const client = await pgClient({ query_timeout: 500 });
    follow(heartbeat.watchPg(client, LEFT_IDLE));
    await usedAgain(() => client.query("select 1").catch(() => {}));
  },

  async "mysql-used-again"() {
    const connection = await mysqlConnection();
    follow(heartbeat.watchMysql2(connection, LEFT_IDLE));
    await usedAgain(() => connection.promise().query("select 1"));
  },

  async "pg-pooled"() {
    await outlastsFullPool(await pooledClient());
    say("done");
  },

  async "pg-known-pooled"() {
    const client = await pooledClient();
    await sleep(budgetMs);
    await outlastsFullPool(client);
    say("done");
  },

  async "amqp-full"() {
    const { connect } = await import("amqplib");
    const connection = await connect(`amqp://lab:lab@${host}?channelMax=3`, { timeout: 5000 });
    connection.on("error", () => {}).on("close", () => say("ended"));
    follow(heartbeat.watchAmqp(connection, { detectWithinMs: budgetMs }));
    const channels = [];
    for (let opened = 0; opened < 3; opened++) channels.push(await connection.createChannel());
    await sleep(3 * budgetMs);
    await channels[0].checkExchange("amq.direct");
    say("done");
  },

  async "amqp-callback"() {
    const { connect } = await import("amqplib/callback_api");
    connect(`amqp://lab:lab@${host}`, { timeout: 5000 }, (_error, connection) => {
      connection.on("error", () => {}).on("close", () => say("ended"));
      follow(heartbeat.watchAmqp(connection, { detectWithinMs: budgetMs }));
      setTimeout(() => say("ready"), 3 * budgetMs);
    });
  },
};

await SCENES[scene]();
process.stdin.on("close", () => process.exit(0)).resume();
