import pg from "pg";
import * as heartbeat from "../../../dist/heartbeat/index.js";
import { Inbox, said } from "../lane.mjs";
import { POOL, poolSteps } from "./pool.mjs";

/** @param {import("../lane.mjs").Lane} lane */
async function newClient(lane) {
  const client = new pg.Client({ host: lane.terms.host, user: "postgres" });
  client.on("error", () => {});
  await client.connect();
  lane.watched(heartbeat.watchPg, client);
  return Object.assign(client, { close: () => client.end() });
}

const rowsOf = async (query) => (await query).rows;

async function pgLane(lane) {
  const client = await newClient(lane);
  const table = lane.own("rows");
  await client.query(`create table if not exists ${table} (id int primary key, n int not null)`);
  const count = () =>
    rowsOf(
      client.query(
        `insert into ${table} values ($1, 1) on conflict (id) do update set n = ${table}.n + 1 returning n`,
        [lane.number(5)],
      ),
    );
  const sleepLong = () => client.query("select pg_sleep($1)", [lane.longMs() / 1000]);
  const sum = () => rowsOf(client.query(`select sum(n) from ${table}`));
  return {
    close: client.close,
    steps: {
      query: () => rowsOf(client.query("select $1::int + 1 as n", [lane.number(1000)])),
      prepared: () =>
        rowsOf(client.query({ name: "twice", text: "select 2 * $1::int as n", values: [21] })),
      count,
      "many rows": () =>
        rowsOf(client.query("select n, md5(n::text) from generate_series(1, 2000) n")),
      "failed query": () => client.query("select 1 / 0"),
      "long query": async () => (await sleepLong()).rowCount,
      "queue behind a long query": async () =>
        (await Promise.all([sleepLong(), count(), count(), sum()])).slice(1),
      async "transaction held idle"() {
        await client.query("begin");
        const counted = await count();
        await lane.restLong();
        const seen = await sum();
        await client.query("commit");
        return [counted, seen];
      },
      async "transaction held busy"() {
        await client.query("begin");
        const counted = await count();
        await sleepLong();
        await client.query("rollback");
        return [counted, await sum()];
      },
      async "failed transaction held idle"() {
        await client.query("begin");
        const first = await client.query("select 1 / 0").catch(said);
        await lane.restLong();
        const second = await client.query("select 1").catch(said);
        return [first, second, (await client.query("rollback")).command];
      },
      async "left idle"() {
        await lane.restLong();
        return sum();
      },
      listen: () =>
        lane.within(
          () => newClient(lane),
          async (listener) => {
            const inbox = new Inbox();
            listener.on("notification", ({ payload }) => inbox.put(payload));
            await listener.query(`listen ${lane.own("news")}`);
            await lane.restLong();
            for (let i = 0; i < 3; i++)
              await client.query("select pg_notify($1, $2)", [
                lane.own("news"),
                `${lane.number(9)}`,
              ]);
            return inbox.take(3);
          },
        ),
    },
  };
}

async function poolLane(lane) {
  const pool = new pg.Pool({
    host: lane.terms.host,
    user: "postgres",
    max: POOL,
    idleTimeoutMillis: 0,
  });
  pool.on("error", () => {});
  lane.watched(heartbeat.watchPgPool, pool);
  return {
    close: () => pool.end(),
    steps: poolSteps(lane, {
      query: (n, seconds = 0) =>
        rowsOf(pool.query("select $1::int as n, pg_sleep($2)", [n, seconds])),
      async hold() {
        const client = await pool.connect();
        await client.query("begin");
        return async () => {
          await client.query("commit");
          client.release();
        };
      },
    }),
  };
}

/** A client that has a rule, is used, and then left. */
async function leftAfter(lane, rule, ...queries) {
  const client = /** @type {any} */ (await newClient(lane));
  const ended = new Promise((resolve) =>
    client.on("error", ({ code }) => resolve(code)).on("end", () => resolve("end")),
  );
  await client.query(`set ${rule} = ${lane.terms.ruleMs}`);
  return {
    ended,
    uses: queries.map((query) => () => client.query(query)),
    close: () => void client.end().catch(() => {}),
  };
}

export const postgres = {
  pg: (lane) => lane.run(pgLane),
  "pg-pool": (lane) => lane.run(poolLane),
  "pg-idle": (lane) =>
    lane.runRule("idle_session_timeout", { isCounted: true }, () =>
      leftAfter(lane, "idle_session_timeout", "select 1"),
    ),
  "pg-forgotten": (lane) =>
    lane.runRule("idle_in_transaction_session_timeout", { isCounted: false }, () =>
      leftAfter(lane, "idle_in_transaction_session_timeout", "begin", "select 1"),
    ),
};
