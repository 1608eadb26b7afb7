import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { createClient } from "redis";
import * as heartbeat from "../../../dist/heartbeat/index.js";
import { Inbox } from "../lane.mjs";
import { SCRIPT_PORTS } from "../servers.mjs";

const CONNECT_MS = 60_000;
/** A script keeps a processor busy, so it is followed by a rest of so many times its length. */
const SCRIPT_RESTS = 4;
/** Keeps the server busy for the ms in ARGV[1]. */
const SPIN = `
  local function ms() local now = redis.call("TIME") return now[1] * 1000 + now[2] / 1000 end
  local start = ms()
  while ms() - start < tonumber(ARGV[1]) do end
  return redis.call("INCR", KEYS[1])`;

/**
 * What the lanes use of a client, alike for both packages.
 *
 * @typedef {object} RedisClient
 * @property {(...words: (string | number)[]) => Promise<unknown>} call
 * @property {(channel: string, listener: (message: string) => void) => Promise<unknown>} subscribe
 * @property {Promise<string>} ended
 * @property {() => void} close
 */

/**
 * @param {import("../lane.mjs").Lane} lane
 * @returns {Promise<RedisClient>}
 */
async function newIoredis(lane, port = 6379) {
  const redis = new Redis({
    host: lane.terms.host,
    port,
    connectTimeout: CONNECT_MS,
    retryStrategy: () => null,
  });
  redis.on("error", () => {});
  const ended = new Promise((resolve) => redis.once("end", () => resolve("end")));
  lane.watched(heartbeat.watchIoredis, redis);
  await redis.ping();
  return {
    call: (name, ...args) => redis.call(`${name}`, ...args),
    subscribe(channel, listener) {
      redis.on("message", (_, message) => listener(message));
      return redis.subscribe(channel);
    },
    ended,
    close: () => redis.disconnect(),
  };
}

/**
 * @param {import("../lane.mjs").Lane} lane
 * @returns {Promise<RedisClient>}
 */
async function newNodeRedis(lane, port = 6379) {
  const client = createClient({
    socket: {
      host: lane.terms.host,
      port,
      connectTimeout: CONNECT_MS,
      reconnectStrategy: false,
    },
  });
  const ended = new Promise((resolve) => client.on("error", () => resolve("end")));
  lane.watched(heartbeat.watchNodeRedis, client);
  await client.connect();
  return {
    call: (...words) => client.sendCommand(words.map(String)),
    subscribe: (channel, listener) => client.subscribe(channel, listener),
    ended,
    close: () => client.destroy(),
  };
}

/** @param {(lane: import("../lane.mjs").Lane) => Promise<RedisClient>} newClient */
const redisLane = (newClient) => async (lane) => {
  const { call, close } = await newClient(lane);
  const own = (name) => lane.own(name);
  const seconds = () => lane.longMs() / 1000;
  const incr = () => call("INCR", own("count"));
  const withOther = (use) => lane.within(() => newClient(lane), use);
  return {
    close,
    steps: {
      count: async () => [await incr(), await incr()],
      async "set and get"() {
        await call("SET", own("value"), lane.number(1000));
        return call("GET", own("value"));
      },
      async hash() {
        await call("HINCRBY", own("hash"), `${lane.number(3)}`, lane.number(100));
        return call("HVALS", own("hash"));
      },
      "many at once": () => Promise.all(Array.from({ length: 50 }, incr)),
      "failed command": () => call("LPUSH", own("count"), 1),
      async transaction() {
        await call("MULTI");
        const queued = await incr();
        return [queued, await call("EXEC")];
      },
      async "transaction held idle"() {
        await call("WATCH", own("watched"));
        await call("MULTI");
        const queued = await incr();
        await lane.restLong();
        return [queued, await call("EXEC")];
      },
      "blocked, with a timeout": () => call("BLPOP", own("none"), seconds()),
      "blocked in a stream, with a timeout": () =>
        call("XREAD", "BLOCK", lane.longMs(), "STREAMS", own("stream"), "$"),
      "waits for replicas": () => call("WAIT", 1, lane.longMs()),
      "queue behind a blocked command": async () =>
        (await Promise.all([call("BRPOP", own("none"), seconds()), incr(), incr()])).slice(1),
      "blocked for ever": () =>
        withOther(async (other) => {
          const popped = call("BLPOP", own("jobs"), 0);
          await lane.restLong();
          await other.call("RPUSH", own("jobs"), lane.number(1000));
          return (await popped)[1];
        }),
      subscribe: () =>
        withOther(async (subscriber) => {
          const inbox = new Inbox();
          await subscriber.subscribe(own("news"), (message) => inbox.put(message));
          await lane.restLong();
          for (let i = 0; i < 3; i++) await call("PUBLISH", own("news"), lane.number(9));
          return inbox.take(3);
        }),
      async "left idle"() {
        await lane.restLong();
        return incr();
      },
    },
  };
};

/** Nobody else uses its server, which answers nobody during a script. */
async function scriptLane(lane) {
  const port = SCRIPT_PORTS[lane.terms.twin];
  const newClient = lane.number(2) === 0 ? newIoredis : newNodeRedis;
  const { call, close } = await newClient(lane, port);
  return {
    close,
    steps: {
      async script() {
        const ms = lane.longMs();
        const count = await call("EVAL", SPIN, 1, lane.own("count"), ms);
        await sleep(SCRIPT_RESTS * ms);
        return count;
      },
    },
  };
}

const idleLane = (newClient) => (lane) =>
  lane.runRule("timeout", { isCounted: true }, async () => {
    const { call, ended, close } = await newClient(lane);
    const usedAt = performance.now();
    await call("GET", lane.own("value"));
    return { ended, usedAt, close };
  });

export const redis = {
  ioredis: (lane) => lane.run(redisLane(newIoredis)),
  "node-redis": (lane) => lane.run(redisLane(newNodeRedis)),
  "redis-script": (lane) => lane.run(scriptLane),
  "ioredis-idle": idleLane(newIoredis),
  "node-redis-idle": idleLane(newNodeRedis),
};
