import type { Duplex } from "node:stream";
import {
  ClientWatch,
  type ClientWatchOptions,
  type OnSocket,
  withAnswerOwed,
} from "../client-watch.ts";
import {
  followCluster,
  followSentinels,
  type IoredisClusterLike,
  type IoredisLike,
} from "./ioredis-topology.ts";
import { type OwnCommand, RedisCommands } from "./redis-commands.ts";

interface Insides {
  readonly commandQueue: {
    readonly length: number;
    peekFront(): { readonly command: OwnCommand } | undefined;
  };
  sendCommand(command: OwnCommand, ...more: unknown[]): unknown;
  /** Set while subscribed. */
  readonly condition?: { readonly subscriber: unknown } | null;
}

/**
 * Sends PING to the Redis process. Returns `undefined`, without a PING, while the client is not
 * ready, waits for the answer to a command of its own, or is between MULTI and EXEC. A blocking
 * command whose own timeout is over stands for the PING.
 */
export function ioredisPing(redis: IoredisLike): Promise<unknown> | undefined {
  return ask(redis, Number.POSITIVE_INFINITY);
}

function ask(redis: IoredisLike, askIdleForMs: number): Promise<unknown> | undefined {
  const commands = commandsOf(redis);
  if (redis.status !== "ready") return undefined;
  // Redis ends no idle subscriber
  const isSubscribed = Boolean((redis as IoredisLike & Insides).condition?.subscriber);
  return commands.ask(isSubscribed ? Number.POSITIVE_INFINITY : askIdleForMs);
}

/**
 * Watches an ioredis client through its reconnects: plain, subscribed, monitoring, or blocked by a
 * command of its own.
 *
 * Of a Cluster it watches all connections, also those that come later: to masters, replicas and for
 * pub/sub. A client behind Sentinels is watched through failovers, and so are its connections to
 * the Sentinels.
 */
export function watchIoredis(
  redis: IoredisLike | IoredisClusterLike,
  options?: ClientWatchOptions,
): ClientWatch {
  return new ClientWatch((onSocket, _, askIdleForMs) => {
    const followNode = (node: IoredisLike): (() => void) => follow(node, onSocket, askIdleForMs);
    return isCluster(redis)
      ? followCluster(redis, followNode)
      : both(followNode(redis), followSentinels(redis, followNode));
  }, withAnswerOwed(options));
}

function isCluster(redis: IoredisLike | IoredisClusterLike): redis is IoredisClusterLike {
  return (redis as IoredisClusterLike).isCluster === true;
}

function both(first: () => void, second: () => void): () => void {
  return () => {
    first();
    second();
  };
}

function follow(redis: IoredisLike, onSocket: OnSocket, askIdleForMs: number): () => void {
  const begin = (): void => {
    const stream = redis.stream as Duplex | undefined;
    if (!stream || stream.destroyed) return;
    const commands = commandsOf(redis);
    onSocket(
      stream,
      () => ask(redis, askIdleForMs),
      () => commands.hasQuit,
    );
  };
  if (redis.status !== "connecting") begin();
  redis.on("connect", begin);
  return () => void redis.off("connect", begin);
}

const commandsOfClients = new WeakMap<IoredisLike, RedisCommands>();

/**
 * Returns the commands of a client. Every command, whichever method made it, passes through the
 * client's `sendCommand`, which is wrapped once.
 */
function commandsOf(redis: IoredisLike): RedisCommands {
  const known = commandsOfClients.get(redis);
  if (known) return known;

  const insides = redis as IoredisLike & Insides;
  const { sendCommand } = insides;
  const own = new RedisCommands(
    () => insides.commandQueue.peekFront()?.command,
    () => redis.status === "ready",
    () => redis.ping(),
  );
  commandsOfClients.set(redis, own);

  insides.sendCommand = function sendWatched(
    this: Insides,
    command: OwnCommand,
    ...more: unknown[]
  ): unknown {
    own.sends(command.name);
    own.sent(command, redis.status === "ready" && insides.commandQueue.length === 0);
    return sendCommand.call(this, command, ...more);
  };

  redis.on("connect", () => own.connected());
  return own;
}
