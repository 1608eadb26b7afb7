import { redisOn, SERVERS } from "../../test/heartbeat/servers.mjs";

/** Each twin has a server of its own for scripts, during which it answers nobody else. */
export const SCRIPT_PORTS = { watched: 6380, alone: 6381 };

/** The servers of the load; Redis ends clients that are idle for `ruleMs`. */
export function serversWith(ruleMs) {
  const { postgres, mariadb, rabbitmq, mosquitto, nats } = SERVERS;
  return {
    postgres,
    mariadb,
    rabbitmq,
    mosquitto,
    nats,
    redis: redisOn(SERVERS.redis.port, ["--timeout", `${ruleMs / 1000}`]),
    "redis-watched": redisOn(SCRIPT_PORTS.watched),
    "redis-alone": redisOn(SCRIPT_PORTS.alone),
  };
}
