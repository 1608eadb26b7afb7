/**
 * A service as people write them, without halfopen. Serves HTTP on port 8080, and uses Redis,
 * PostgreSQL and an HTTP service on port 8081 of the given host, each again and again.
 *
 * Writes one JSON object a line to standard output, with CLOCK_MONOTONIC in ms and the name of the
 * other side: `answered`, `failed` (a request or its connection) or `caller-gone` (a long poll on
 * port 8080 ended).
 */
import http from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import pg from "pg";

const [, , host] = process.argv;
const PAUSE_MS = 200;

function say(event, more) {
  process.stdout.write(
    `${JSON.stringify({ event, at: Number(process.hrtime.bigint() / 1000n) / 1000, ...more })}\n`,
  );
}

const redis = new Redis({ host });
redis.on("error", () => {});
// ioredis repeats a request over its next connection, so only the end of the connection shows.
redis.on("close", () => say("failed", { of: "redis" }));

const pool = new pg.Pool({ host, user: "postgres", max: 1 });
pool.on("error", () => {});

const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const get = () =>
  new Promise((resolve, reject) => {
    const request = http.get({ host, port: 8081, agent }, (response) =>
      response.resume().on("end", resolve).on("error", reject),
    );
    request.on("error", reject);
  });

async function use(of, ask) {
  for (;;) {
    await ask().then(
      () => say("answered", { of }),
      (error) => say("failed", { of, message: error.message }),
    );
    await sleep(PAUSE_MS);
  }
}

http
  .createServer((request, response) => {
    response.write("wait for news\n");
    request.on("close", () => say("caller-gone", { of: "caller" }));
  })
  .listen(8080);
use("redis", () => redis.incr("visits"));
use("postgres", () => pool.query("SELECT 1"));
use("http", get);
