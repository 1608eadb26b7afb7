import { setTimeout as sleep } from "node:timers/promises";
import mysql from "mysql2";
import { createPoolCluster } from "mysql2/promise";
import * as heartbeat from "../../../dist/heartbeat/index.js";
import { said } from "../lane.mjs";
import { POOL, poolSteps } from "./pool.mjs";

/** The only one of the PoolCluster. */
const NODE = "only";

const POLL_MS = 250;

const settings = ({ terms }) => ({
  host: terms.host,
  user: "root",
  database: "mysql",
  connectTimeout: 60_000,
});

/** @param {import("../lane.mjs").Lane} lane */
async function newConnection(lane) {
  const connection = mysql.createConnection(settings(lane));
  connection.on("error", () => {});
  await new Promise((resolve, reject) =>
    connection.connect((error) => (error ? reject(error) : resolve(undefined))),
  );
  lane.watched(heartbeat.watchMysql2, connection);
  return connection;
}

const rowsOf = async (query) => (await query)[0];

async function connectionLane(lane) {
  const connection = await newConnection(lane);
  const client = connection.promise();
  const table = lane.own("rows");
  await client.query(
    `create table if not exists ${table} (id int primary key, n int not null) engine = innodb`,
  );
  const count = async () =>
    (
      await rowsOf(
        client.query(`insert into ${table} values (?, 1) on duplicate key update n = n + 1`, [
          lane.number(5),
        ]),
      )
    ).affectedRows;
  const sum = () => rowsOf(client.query(`select sum(n) as n from ${table}`));
  const sleepLong = () => rowsOf(client.query("select sleep(?) as slept", [lane.longMs() / 1000]));
  return {
    close: () => client.end(),
    steps: {
      query: () => rowsOf(client.query("select ? + 1 as n", [lane.number(1000)])),
      prepared: () => rowsOf(client.execute("select 2 * ? as n", [lane.number(1000)])),
      count: async () => [await count(), await sum()],
      "many rows": () => rowsOf(client.query("select seq, md5(seq) from seq_1_to_2000")),
      "failed query": () => rowsOf(client.query("select nonsense")),
      "long query": sleepLong,
      "queue behind a long query": () => Promise.all([sleepLong(), count(), sum()]),
      async "transaction held idle"() {
        await client.beginTransaction();
        const counted = await count();
        await lane.restLong();
        const seen = await sum();
        await client.commit();
        return [counted, seen];
      },
      async "transaction held busy"() {
        await client.query("start transaction");
        const counted = await count();
        const slept = await sleepLong();
        await client.query("rollback");
        return [counted, slept, await sum()];
      },
      async "transaction without autocommit"() {
        await client.query("set autocommit = 0");
        const counted = await count();
        const failed = await client.query("select nonsense").catch(said);
        await lane.restLong();
        await client.query("commit");
        await client.query("set autocommit = 1");
        return [counted, failed, await sum()];
      },
      async "left idle"() {
        await lane.restLong();
        return sum();
      },
    },
  };
}

/** @param {(lane: import("../lane.mjs").Lane) => { client: any, close: () => unknown }} newPool */
const poolLane = (newPool) => async (lane) => {
  const { client, close } = newPool(lane);
  return {
    close,
    steps: poolSteps(lane, {
      query: (n, seconds) =>
        seconds === undefined
          ? rowsOf(client.execute("select ? as n", [n]))
          : rowsOf(client.query("select ? as n, sleep(?) as slept", [n, seconds])),
      async hold() {
        const connection = await client.getConnection();
        await connection.beginTransaction();
        return async () => {
          await connection.commit();
          connection.release();
        };
      },
    }),
  };
};

function newPool(lane) {
  const pool = mysql.createPool({ ...settings(lane), connectionLimit: POOL });
  lane.watched(heartbeat.watchMysql2Pool, pool);
  return { client: pool.promise(), close: () => pool.promise().end() };
}

function newPoolCluster(lane) {
  const cluster = createPoolCluster();
  cluster.add(NODE, { ...settings(lane), connectionLimit: POOL });
  lane.watched(heartbeat.watchMysql2Pool, cluster);
  return { client: cluster.of(NODE), close: () => cluster.end() };
}

/**
 * Resolves when the server has ended a connection. It parts with a reset, which a lossy path may
 * lose: an unwatched client never hears of it then.
 */
async function isListedNoMore(lane, id) {
  const observer = mysql.createConnection(settings(lane)).promise();
  const listed = "select count(*) as n from information_schema.processlist where id = ?";
  while ((await rowsOf(observer.query(listed, [id])))[0].n > 0) await sleep(POLL_MS);
  observer.destroy();
  return "not listed any more";
}

/** A connection that has a rule, is used, and then left. */
async function leftAfter(lane, rule, ...queries) {
  const connection = /** @type {any} */ (await newConnection(lane));
  await connection.promise().query(`set session ${rule} = ${lane.terms.ruleMs / 1000}`);
  return {
    ended: isListedNoMore(lane, connection.threadId),
    uses: queries.map((query) => () => connection.promise().query(query)),
    close: () => connection.destroy(),
  };
}

export const mariadb = {
  mysql2: (lane) => lane.run(connectionLane),
  "mysql2-pool": (lane) => lane.run(poolLane(newPool)),
  "mysql2-pool-cluster": (lane) => lane.run(poolLane(newPoolCluster)),
  "mysql2-idle": (lane) =>
    lane.runRule("wait_timeout", { isCounted: true }, () =>
      leftAfter(lane, "wait_timeout", "select 1"),
    ),
  "mysql2-forgotten": (lane) =>
    lane.runRule("idle_transaction_timeout", { isCounted: false }, () =>
      leftAfter(lane, "idle_transaction_timeout", "start transaction", "select 1"),
    ),
};
