import { once } from "node:events";
import { Cluster, Redis } from "ioredis";
import { createClientPool, createCluster, createSentinel } from "redis";
import { expect, it } from "vitest";
import { type ClientWatch, watchIoredis, watchNodeRedis } from "../../src/heartbeat/index.ts";
import { describeWith } from "../setup/requires.ts";
import { REDIS_BUDGET_MS as BUDGET_MS, RedisServer } from "./redis.ts";
import { portsOf, RedisCluster, RedisSentinel } from "./topologies.ts";

/** Long enough while other tests run beside these. */
const GRACE_MS = 2000;

/** Notes the port and the cause of each death. */
function deathsOf(watch: ClientWatch): string[] {
  const deaths: string[] = [];
  watch.on("dead", ({ remote, cause }) => deaths.push(`${cause} ${remote?.split(":").at(-1)}`));
  return deaths;
}

async function allDie(watch: ClientWatch, port: number, stop: () => void): Promise<void> {
  const connections = portsOf(watch)[port] ?? 0;
  expect(connections).toBeGreaterThan(0);
  const deaths = deathsOf(watch);
  stop();
  const expected = Array(connections).fill(`peer-hung ${port}`);
  await expect
    .poll(() => deaths, { timeout: BUDGET_MS + GRACE_MS, interval: 20 })
    .toEqual(expected);
}

await describeWith(["redis-server"], "the watch of an ioredis Cluster", () => {
  it("sees every connection: to masters, replicas and for pub/sub, also those that come later", {
    timeout: 60_000,
  }, async () => {
    await using servers = await RedisCluster.start(3);
    const cluster = new Cluster([{ host: "127.0.0.1", port: servers.masters[0] ?? 0 }], {
      scaleReads: "all",
      shardedSubscribers: true,
      clusterRetryStrategy: () => 100,
      slotsRefreshTimeout: 500,
    });
    cluster.on("error", () => {});
    using watch = watchIoredis(cluster, { detectWithinMs: BUDGET_MS });
    await once(cluster, "ready");
    await cluster.subscribe("news");
    await cluster.ssubscribe("sharded");
    await Promise.all(cluster.nodes().map((node) => node.ping()));

    const nodes = [...servers.masters, ...servers.replicas];
    await expect
      .poll(() => Object.keys(portsOf(watch)).map(Number).sort(), { timeout: 5000 })
      .toEqual([...nodes].sort());
    // One a node, one for pub/sub, one for sharded pub/sub
    await expect.poll(() => watch.currents.length).toBe(nodes.length + 2);

    const [victim = 0] = servers.masters.slice(1);
    const survivors = watch.currents.filter(
      ({ diagnosis }) => !diagnosis.remote?.endsWith(`:${victim}`),
    );
    await allDie(watch, victim, () => servers.stop(victim));
    for (const { state } of survivors) expect(state).toBe("alive");

    servers.byPort.get(victim)?.kill("SIGCONT");
    await expect
      .poll(
        async () => {
          await Promise.allSettled(["a", "b", "c", "d", "e"].map((key) => cluster.set(key, "1")));
          return portsOf(watch)[victim] ?? 0;
        },
        { timeout: 15_000 },
      )
      .toBeGreaterThan(0);
    watch.close();
    expect(watch.currents).toEqual([]);
    cluster.disconnect();
  });

  it("begins with the connections that it has", { timeout: 60_000 }, async () => {
    await using servers = await RedisCluster.start();
    const cluster = new Cluster([{ host: "127.0.0.1", port: servers.masters[0] ?? 0 }]);
    await once(cluster, "ready");
    await cluster.subscribe("news");
    await Promise.all(cluster.nodes().map((node) => node.ping()));
    using watch = watchIoredis(cluster, { detectWithinMs: BUDGET_MS });
    expect(watch.currents).toHaveLength(4);
    cluster.disconnect();
    await expect.poll(() => watch.currents).toEqual([]);
  });
});

await describeWith(["redis-server"], "the watch of an ioredis client behind Sentinels", () => {
  it("follows a failover, and sees the connection to the Sentinel too", {
    timeout: 60_000,
  }, async () => {
    await using servers = await RedisSentinel.start(1000);
    const redis = new Redis({
      sentinels: [{ host: "127.0.0.1", port: servers.sentinel }],
      name: "lab",
      failoverDetector: true,
      maxRetriesPerRequest: null,
      retryStrategy: () => 100,
    });
    redis.on("error", () => {});
    using watch = watchIoredis(redis, { detectWithinMs: BUDGET_MS });
    await redis.ping();
    await expect.poll(() => portsOf(watch)).toEqual({ [servers.master]: 1, [servers.sentinel]: 1 });

    servers.stop(servers.master);
    await expect
      .poll(() => portsOf(watch), { timeout: 20_000 })
      .toEqual({ [servers.replica]: 1, [servers.sentinel]: 1 });
    await redis.set("key", "value");
    await allDie(watch, servers.sentinel, () => servers.stop(servers.sentinel));
    redis.disconnect();
  });
});

await describeWith(["redis-server"], "the watch of node-redis", () => {
  it("sees every connection of a cluster", { timeout: 60_000 }, async () => {
    await using servers = await RedisCluster.start(3);
    const cluster = createCluster({
      rootNodes: [{ socket: { host: "127.0.0.1", port: servers.masters[0] ?? 0 } }],
      useReplicas: true,
      defaults: { socket: { reconnectStrategy: () => 100 } },
    });
    cluster.on("error", () => {});
    using watch = watchNodeRedis(cluster, { detectWithinMs: BUDGET_MS });
    await cluster.connect();
    await cluster.subscribe("news", () => {});
    await cluster.sSubscribe("sharded", () => {});
    const nodes = [...servers.masters, ...servers.replicas];
    await expect
      .poll(() => Object.keys(portsOf(watch)).map(Number).sort())
      .toEqual([...nodes].sort());
    await expect.poll(() => watch.currents.length).toBe(nodes.length + 2);

    const [victim = 0] = servers.masters.slice(1);
    await allDie(watch, victim, () => servers.stop(victim));
    servers.byPort.get(victim)?.kill("SIGCONT");
    await expect.poll(() => portsOf(watch)[victim] ?? 0, { timeout: 10_000 }).toBeGreaterThan(0);
    // A connection whose handshake is not over outlives node-redis' destroy()
    const areAllReady = (): boolean =>
      [...cluster.nodeByAddress.values()].every(({ client }) => client?.isReady);
    await expect.poll(areAllReady, { timeout: 10_000 }).toBe(true);
    cluster.destroy();
    await expect.poll(() => watch.currents).toEqual([]);
  });

  it("sees every connection of a pool, and asks each after its first command", {
    timeout: 30_000,
  }, async () => {
    await using server = await RedisServer.start();
    const pool = createClientPool(
      { socket: { port: server.port, host: "127.0.0.1", reconnectStrategy: () => 100 } },
      { minimum: 2, maximum: 4 },
    );
    pool.on("error", () => {});
    using watch = watchNodeRedis(pool, { detectWithinMs: BUDGET_MS });
    await pool.connect();
    expect(watch.currents).toHaveLength(2);
    await Promise.all(Array.from({ length: 4 }, () => pool.blPop("jobs", 0.2)));
    await expect.poll(() => watch.currents.length).toBe(4);
    await allDie(watch, server.port, () => server.process.kill("SIGSTOP"));
    pool.destroy();
  });

  it("follows a sentinel through a failover, its own connections included", {
    timeout: 60_000,
  }, async () => {
    // A failover closes the connections to the master: after the verdict, not before it.
    await using servers = await RedisSentinel.start(BUDGET_MS + 2 * GRACE_MS);
    const sentinel = createSentinel({
      name: "lab",
      sentinelRootNodes: [{ host: "127.0.0.1", port: servers.sentinel }],
      nodeClientOptions: { socket: { reconnectStrategy: () => 100 } },
    });
    sentinel.on("error", () => {}).on("client-error", () => {});
    using watch = watchNodeRedis(sentinel, { detectWithinMs: BUDGET_MS });
    const deaths = deathsOf(watch);
    await sentinel.connect();
    await sentinel.set("key", "value");
    await expect.poll(() => portsOf(watch)[servers.master] ?? 0).toBeGreaterThan(0);
    expect(portsOf(watch)[servers.sentinel] ?? 0).toBeGreaterThan(0);

    servers.stop(servers.master);
    await expect
      .poll(() => deaths, { timeout: BUDGET_MS + GRACE_MS })
      .toContain(`peer-hung ${servers.master}`);
    await expect
      .poll(() => portsOf(watch)[servers.replica] ?? 0, { timeout: 30_000 })
      .toBeGreaterThan(0);
    sentinel.destroy();
  });
});
