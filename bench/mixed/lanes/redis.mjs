import { Inbox } from "../lane.mjs";
import { PORTS } from "../servers.mjs";
import { POOL, poolSteps } from "./pool.mjs";
import {
  newIoredis,
  newIoredisCluster,
  newIoredisSentinel,
  newNodeRedis,
  newNodeRedisCluster,
  newNodeRedisPool,
  newNodeRedisSentinel,
} from "./redis-clients.mjs";

/** @typedef {import("./redis-clients.mjs").NewClient} NewClient */

/** A script keeps a processor busy, so it is followed by a rest of so many times its length. */
const SCRIPT_RESTS = 4;
/** Keeps the server busy for the ms in ARGV[1]. */
const SPIN = `
  local function ms() local now = redis.call("TIME") return now[1] * 1000 + now[2] / 1000 end
  local start = ms()
  while ms() - start < tonumber(ARGV[1]) do end
  return redis.call("INCR", KEYS[1])`;

/**
 * What any client can do, also with a cluster and behind Sentinels.
 *
 * @param {import("../lane.mjs").Lane} lane
 * @param {NewClient} newClient
 * @param {import("./redis-clients.mjs").Call} call
 */
function anySteps(lane, newClient, call) {
  const own = (name) => lane.own(name);
  const seconds = () => lane.longMs() / 1000;
  const incr = () => call("INCR", own("count"));
  const withOther = (use) => lane.within(() => newClient(lane), use);
  return {
    count: async () => [await incr(), await incr()],
    async "set and get"() {
      await call("SET", own("value"), lane.number(1000));
      return call("GET", own("value"));
    },
    "many at once": () => Promise.all(Array.from({ length: 50 }, incr)),
    "failed command": () => call("LPUSH", own("count"), 1),
    "blocked, with a timeout": () => call("BLPOP", own("none"), seconds()),
    "queue behind a blocked command": async () =>
      (await Promise.all([call("BRPOP", own("none"), seconds()), incr(), incr()])).slice(1),
    "blocked for ever": () =>
      withOther(async (other) => {
        const popped = lane.later(call("BLPOP", own("jobs"), 0));
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
  };
}

/**
 * What a client can do that has one connection.
 *
 * @param {import("../lane.mjs").Lane} lane
 * @param {import("./redis-clients.mjs").Call} call
 */
function connectionSteps(lane, call) {
  const incr = () => call("INCR", lane.own("count"));
  return {
    async hash() {
      await call("HINCRBY", lane.own("hash"), `${lane.number(3)}`, lane.number(100));
      return call("HVALS", lane.own("hash"));
    },
    async transaction() {
      await call("MULTI");
      const queued = await incr();
      return [queued, await call("EXEC")];
    },
    async "transaction held idle"() {
      await call("WATCH", lane.own("watched"));
      await call("MULTI");
      const queued = await incr();
      await lane.restLong();
      return [queued, await call("EXEC")];
    },
    "blocked in a stream, with a timeout": () =>
      call("XREAD", "BLOCK", lane.longMs(), "STREAMS", lane.own("stream"), "$"),
    "waits for replicas": () => call("WAIT", 1, lane.longMs()),
  };
}

/** @param {NewClient} newClient */
const topologyLane = (newClient) => async (lane) => {
  const { call, close } = await newClient(lane);
  return { close, steps: anySteps(lane, newClient, call) };
};

/** @param {NewClient} newClient */
const connectionLane = (newClient) => async (lane) => {
  const { call, close } = await newClient(lane);
  return { close, steps: { ...anySteps(lane, newClient, call), ...connectionSteps(lane, call) } };
};

async function poolLane(lane) {
  const { pool, close } = await newNodeRedisPool(lane, POOL);
  const answered = async (client, n, seconds) =>
    seconds === undefined
      ? client.sendCommand(["ECHO", `${n}`])
      : [n, await client.sendCommand(["BLPOP", lane.own("none"), `${seconds}`])];
  return {
    close,
    steps: poolSteps(lane, {
      query: (n, seconds) => pool.execute((client) => answered(client, n, seconds)),
      hold: () =>
        new Promise((resolve, reject) => {
          const done = pool.execute(async (client) => {
            await client.sendCommand(["MULTI"]);
            await new Promise((commit) =>
              resolve(async () => {
                commit(undefined);
                await done;
              }),
            );
            return client.sendCommand(["EXEC"]);
          });
          done.catch(reject);
        }),
    }),
  };
}

/** Nobody else uses its server, which answers nobody during a script. */
async function scriptLane(lane) {
  const port = PORTS[lane.terms.twin];
  const newClient = lane.number(2) === 0 ? newIoredis : newNodeRedis;
  const { call, close } = await newClient(lane, port);
  const ms = lane.longMs();
  return {
    async close() {
      await close();
      await lane.pause(SCRIPT_RESTS * ms);
    },
    steps: { script: () => call("EVAL", SPIN, 1, lane.own("count"), ms) },
  };
}

const idleLane = (newClient) => (lane) =>
  lane.runRule("timeout", { isCounted: true }, async () => {
    const { call, ended, close } = await newClient(lane);
    return { ended, uses: [() => call("GET", lane.own("value"))], close };
  });

export const redis = {
  ioredis: (lane) => lane.run(connectionLane(newIoredis)),
  "ioredis-cluster": (lane) => lane.run(topologyLane(newIoredisCluster)),
  "ioredis-sentinel": (lane) => lane.run(topologyLane(newIoredisSentinel)),
  "node-redis": (lane) => lane.run(connectionLane(newNodeRedis)),
  "node-redis-pool": (lane) => lane.run(poolLane),
  "node-redis-cluster": (lane) => lane.run(topologyLane(newNodeRedisCluster)),
  "node-redis-sentinel": (lane) => lane.run(topologyLane(newNodeRedisSentinel)),
  "redis-script": (lane) => lane.run(scriptLane),
  "ioredis-idle": idleLane(newIoredis),
  "node-redis-idle": idleLane(newNodeRedis),
};
