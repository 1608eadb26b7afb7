import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { redisOn, SERVERS, startServers } from "../../test/heartbeat/servers.mjs";

/**
 * Where each Redis listens. The twins have a server each for scripts, during which it answers nobody
 * else.
 */
export const PORTS = {
  redis: SERVERS.redis.port,
  watched: 6380,
  alone: 6381,
  cluster: 6382,
  sentinel: 26_379,
};
/** What the Sentinel calls the Redis of all. */
export const MASTER = "mixed";

const [POLL_MS, CLUSTER_WITHIN_MS] = [100, 20_000];

const { postgres, mariadb, rabbitmq, mosquitto, nats } = SERVERS;

/** The programs that must be installed. */
export const NEEDS = [postgres, mariadb, rabbitmq, mosquitto, nats, SERVERS.redis].map(
  ({ needs }) => needs,
);

/** Starts the servers of the load. Redis ends clients that are idle for `ruleMs`. */
export async function startMixedServers(network, folder, ruleMs) {
  const address = network.address("right");
  await startServers(network, folder, {
    postgres,
    mariadb,
    rabbitmq,
    mosquitto,
    nats,
    redis: redisOn(PORTS.redis, ["--timeout", `${ruleMs / 1000}`]),
    "redis-watched": redisOn(PORTS.watched),
    "redis-alone": redisOn(PORTS.alone),
    "redis-cluster": redisOn(PORTS.cluster, [
      "--cluster-enabled",
      "yes",
      "--cluster-announce-ip",
      address,
    ]),
    "redis-sentinel": sentinelOf(address),
  });
  const cluster = (...words) =>
    network.run("right", ["redis-cli", "-p", `${PORTS.cluster}`, "cluster", ...words]);
  await cluster("addslotsrange", "0", "16383");
  // It takes its slots some time after its start
  for (let waited = 0; !(await cluster("info")).includes("cluster_state:ok"); waited += POLL_MS) {
    if (waited > CLUSTER_WITHIN_MS) throw new Error("the Redis Cluster of one node does not begin");
    await sleep(POLL_MS);
  }
}

/** A Sentinel that never calls its master down. */
function sentinelOf(address) {
  return {
    needs: "redis-server",
    port: PORTS.sentinel,
    start(network, folder) {
      const file = join(folder, "sentinel.conf");
      const lines = [
        `port ${PORTS.sentinel}`,
        "bind 0.0.0.0",
        "protected-mode no",
        `dir ${folder}`,
        `sentinel monitor ${MASTER} ${address} ${PORTS.redis} 1`,
        `sentinel down-after-milliseconds ${MASTER} 600000`,
      ];
      writeFileSync(file, `${lines.join("\n")}\n`);
      return network.spawn("right", ["redis-server", file, "--sentinel"]);
    },
  };
}
