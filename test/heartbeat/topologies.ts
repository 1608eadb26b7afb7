import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { expect } from "vitest";
import type { ClientWatch } from "../../src/heartbeat/index.ts";
import { freePort } from "./redis.ts";

/** Real Redis processes on loopback that end with the test, in a folder of their own. */
class Processes implements AsyncDisposable {
  readonly folder: string = mkdtempSync(join(tmpdir(), "halfopen-redis-"));
  readonly byPort: Map<number, ChildProcess> = new Map();
  readonly #admins: Map<number, Redis> = new Map();

  async start(settings: string[], ...flags: string[]): Promise<number> {
    const port = await freePort();
    const config = join(this.folder, `${port}.conf`);
    const own = [`port ${port}`, "bind 127.0.0.1", `dir ${this.folder}`, ...settings];
    writeFileSync(config, `${own.join("\n")}\n`);
    this.byPort.set(port, spawn("redis-server", [config, ...flags], { stdio: "ignore" }));
    await this.admin(port).ping();
    return port;
  }

  /** Returns a client without a watch. */
  admin(port: number): Redis {
    const known = this.#admins.get(port);
    if (known) return known;
    const redis = new Redis(port, { retryStrategy: () => 50, maxRetriesPerRequest: null });
    redis.on("error", () => {});
    this.#admins.set(port, redis);
    return redis;
  }

  stop(port: number): void {
    this.byPort.get(port)?.kill("SIGSTOP");
  }

  async kill(port: number): Promise<void> {
    const process = this.byPort.get(port);
    if (!process || process.exitCode !== null || process.signalCode !== null) return;
    const gone = once(process, "exit");
    process.kill("SIGKILL");
    await gone;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const redis of this.#admins.values()) redis.disconnect();
    for (const port of this.byPort.keys()) await this.kill(port);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Three masters, and a replica of each, as Redis Cluster. */
export class RedisCluster extends Processes {
  readonly masters: number[] = [];
  readonly replicas: number[] = [];

  static async start(replicas = 0): Promise<RedisCluster> {
    const cluster = new RedisCluster();
    const busPorts = new Map<number, number>();
    for (let made = 0; made < 3 + replicas; made++) {
      const busPort = await freePort();
      const port = await cluster.start([
        'save ""',
        `cluster-port ${busPort}`,
        "cluster-enabled yes",
        // A node hears of each other one twice in this time
        "cluster-node-timeout 2000",
        "cluster-replica-no-failover yes",
        "cluster-require-full-coverage no",
        `cluster-config-file nodes-${made}.conf`,
        `dbfilename ${made}.rdb`,
      ]);
      busPorts.set(port, busPort);
      (made < 3 ? cluster.masters : cluster.replicas).push(port);
    }
    const [first = 0] = cluster.masters;
    for (const [at, port] of cluster.masters.entries())
      await cluster
        .admin(port)
        .call("CLUSTER", "ADDSLOTSRANGE", 5462 * at, Math.min(5462 * at + 5461, 16_383));
    for (const port of [...cluster.masters, ...cluster.replicas].slice(1))
      await cluster
        .admin(first)
        .call("CLUSTER", "MEET", "127.0.0.1", port, busPorts.get(port) ?? 0);

    const nodes = [...cluster.masters, ...cluster.replicas];
    const isKnown = async (port: number): Promise<boolean> =>
      String(await cluster.admin(port).call("CLUSTER", "NODES"))
        .trim()
        .split("\n").length === nodes.length;
    await expect
      .poll(async () => (await Promise.all(nodes.map(isKnown))).every(Boolean), { timeout: 10_000 })
      .toBe(true);
    for (const [at, port] of cluster.replicas.entries()) {
      const id = await cluster.admin(cluster.masters[at] ?? 0).call("CLUSTER", "MYID");
      await cluster.admin(port).call("CLUSTER", "REPLICATE", String(id));
    }
    await expect
      .poll(async () => cluster.admin(first).call("CLUSTER", "INFO"), { timeout: 10_000 })
      .toContain("cluster_state:ok");
    const areAllListed = async (port: number): Promise<boolean> => {
      const slots = String(await cluster.admin(port).call("CLUSTER", "SLOTS"));
      return nodes.every((node) => slots.includes(`${node}`));
    };
    await expect
      .poll(async () => (await Promise.all(nodes.map(areAllListed))).every(Boolean), {
        timeout: 10_000,
      })
      .toBe(true);
    return cluster;
  }
}

/**
 * A master, its replica and a Sentinel that makes a failover once the master was silent for
 * `downAfterMs`.
 */
export class RedisSentinel extends Processes {
  master = 0;
  replica = 0;
  sentinel = 0;

  static async start(downAfterMs: number): Promise<RedisSentinel> {
    const set = new RedisSentinel();
    set.master = await set.start(['save ""', "dbfilename master.rdb"]);
    set.replica = await set.start([
      'save ""',
      "dbfilename replica.rdb",
      `replicaof 127.0.0.1 ${set.master}`,
      "repl-diskless-sync-delay 0",
    ]);
    await expect
      .poll(() => set.admin(set.replica).info("replication"), { timeout: 10_000 })
      .toContain("master_link_status:up");
    const sentinel = [
      `sentinel monitor lab 127.0.0.1 ${set.master} 1`,
      `sentinel down-after-milliseconds lab ${downAfterMs}`,
      "sentinel failover-timeout lab 3000",
    ];
    set.sentinel = await set.start(sentinel, "--sentinel");
    await expect
      .poll(async () => String(await set.admin(set.sentinel).call("SENTINEL", "REPLICAS", "lab")), {
        timeout: 15_000,
      })
      .toContain(String(set.replica));
    return set;
  }
}

/** Returns how many connections a watch has to each port. */
export function portsOf(watch: ClientWatch): Record<number, number> {
  const counts: Record<number, number> = {};
  for (const { diagnosis } of watch.currents) {
    const port = Number(diagnosis.remote?.split(":").at(-1));
    counts[port] = (counts[port] ?? 0) + 1;
  }
  return counts;
}
