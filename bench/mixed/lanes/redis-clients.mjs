// What the lanes use of a client, alike for both packages and for all that they make.
import { Cluster, Redis } from "ioredis";
import { createClient, createClientPool, createCluster, createSentinel } from "redis";
import * as heartbeat from "../../../dist/heartbeat/index.js";
import { MASTER, PORTS } from "../servers.mjs";

const CONNECT_MS = 60_000;
/** No caller of a full pool gives up. */
const ACQUIRE_MS = 600_000;

/**
 * @typedef {import("../lane.mjs").Lane} Lane
 *
 * @typedef {(...words: (string | number)[]) => Promise<any>} Call
 *
 * @typedef {object} RedisClient
 * @property {Call} call
 * @property {(channel: string, listener: (message: string) => void) => Promise<unknown>} subscribe
 * @property {() => unknown} close
 *
 * @typedef {(lane: Lane) => Promise<RedisClient>} NewClient
 */

/** @param {Lane} lane */
export async function newIoredis(lane, port = PORTS.redis) {
  const redis = new Redis({
    host: lane.terms.host,
    port,
    connectTimeout: CONNECT_MS,
    retryStrategy: () => null,
  });
  const ended = endOf(redis);
  return { ...(await ioredisClient(lane, redis)), ended };
}

/** @type {NewClient} */
export async function newIoredisSentinel(lane) {
  const sentinels = [{ host: lane.terms.host, port: PORTS.sentinel }];
  return ioredisClient(lane, new Redis({ sentinels, name: MASTER, connectTimeout: CONNECT_MS }));
}

/** @type {NewClient} */
export async function newIoredisCluster(lane) {
  const cluster = new Cluster([{ host: lane.terms.host, port: PORTS.cluster }], {
    slotsRefreshTimeout: CONNECT_MS,
    redisOptions: { connectTimeout: CONNECT_MS },
  });
  return ioredisClient(lane, cluster);
}

/**
 * @param {Lane} lane
 * @param {Redis | Cluster} redis
 * @returns {Promise<RedisClient>}
 */
async function ioredisClient(lane, redis) {
  redis.on("error", () => {});
  lane.watched(heartbeat.watchIoredis, redis);
  await redis.ping();
  return {
    call: (name, ...args) => redis.call(`${name}`, ...args),
    subscribe(channel, listener) {
      redis.on("message", (_, message) => listener(message));
      return redis.subscribe(channel);
    },
    close: () => (lane.number(2) === 0 ? redis.quit() : redis.disconnect()),
  };
}

/** @param {Lane} lane */
export async function newNodeRedis(lane, port = PORTS.redis) {
  const socket = {
    host: lane.terms.host,
    port,
    connectTimeout: CONNECT_MS,
    reconnectStrategy: /** @type {const} */ (false),
  };
  const client = createClient({ socket });
  const ended = endOf(client);
  return { ...(await nodeRedisClient(lane, client, (words) => client.sendCommand(words))), ended };
}

/** @type {NewClient} */
export function newNodeRedisCluster(lane) {
  const socket = { host: lane.terms.host, port: PORTS.cluster, connectTimeout: CONNECT_MS };
  const cluster = createCluster({ rootNodes: [{ socket }], defaults: { socket } });
  // The cluster has one node
  return nodeRedisClient(lane, cluster, (words) => cluster.sendCommand(undefined, false, words));
}

/** @type {NewClient} */
export function newNodeRedisSentinel(lane) {
  const sentinel = createSentinel({
    name: MASTER,
    sentinelRootNodes: [{ host: lane.terms.host, port: PORTS.sentinel }],
    nodeClientOptions: { socket: { connectTimeout: CONNECT_MS } },
    sentinelClientOptions: { socket: { connectTimeout: CONNECT_MS } },
  });
  return nodeRedisClient(lane, sentinel, (words) => sentinel.sendCommand(false, words));
}

/**
 * @param {Lane} lane
 * @param {any} client
 * @param {(words: string[]) => Promise<unknown>} send
 * @returns {Promise<RedisClient>}
 */
async function nodeRedisClient(lane, client, send) {
  client.on("error", () => {});
  lane.watched(heartbeat.watchNodeRedis, client);
  await client.connect();
  return {
    call: (...words) => send(words.map(String)),
    subscribe: (channel, listener) => client.subscribe(channel, listener),
    close: () => (lane.number(2) === 0 ? client.close() : client.destroy()),
  };
}

/** The end of a client that does not connect again. */
function endOf(client) {
  return new Promise((resolve) => {
    for (const event of ["end", "error"]) client.once(event, () => resolve("ended"));
  });
}

/** @param {Lane} lane */
export async function newNodeRedisPool(lane, size) {
  const pool = createClientPool(
    { socket: { host: lane.terms.host, port: PORTS.redis, connectTimeout: CONNECT_MS } },
    { minimum: size, maximum: size, acquireTimeout: ACQUIRE_MS },
  );
  pool.on("error", () => {});
  lane.watched(heartbeat.watchNodeRedis, pool);
  await pool.connect();
  return { pool, close: () => (lane.number(2) === 0 ? pool.close() : pool.destroy()) };
}
