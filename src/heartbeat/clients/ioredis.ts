import type { Socket } from "node:net";
import { ClientWatch, type ClientWatchOptions } from "../client-watch.ts";
import { type OwnCommand, RedisCommands } from "./redis-commands.ts";

/** The members of an ioredis client (5 and 6) that are used here. */
export interface IoredisLike {
  readonly status: string;
  readonly stream?: unknown;
  ping(): Promise<unknown>;
  on(event: "connect", listener: () => void): unknown;
  off(event: "connect", listener: () => void): unknown;
}

interface Insides {
  readonly commandQueue: {
    readonly length: number;
    peekFront(): { readonly command: OwnCommand } | undefined;
  };
  sendCommand(command: OwnCommand, ...more: unknown[]): unknown;
}

/**
 * Sends PING to the Redis process. Returns `undefined`, without a PING, while the client is not
 * ready, waits for the answer to a command of its own, or is between MULTI and EXEC. A blocking
 * command whose own timeout is over stands for the PING.
 */
export function ioredisPing(redis: IoredisLike): Promise<unknown> | undefined {
  const commands = commandsOf(redis);
  return redis.status === "ready" ? commands.ask() : undefined;
}

/**
 * Watches an ioredis client through its reconnects: plain, subscribed, or blocked by a command of
 * its own.
 */
export function watchIoredis(redis: IoredisLike, options?: ClientWatchOptions): ClientWatch {
  return new ClientWatch((onSocket) => {
    const begin = (): void => {
      const { stream } = redis;
      if (!stream) return;
      commandsOf(redis);
      onSocket(stream as Socket, () => ioredisPing(redis));
    };
    if (redis.status === "ready" || redis.status === "connect") begin();
    redis.on("connect", begin);
    return () => void redis.off("connect", begin);
  }, options);
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
    () => redis.ping(),
  );
  commandsOfClients.set(redis, own);

  insides.sendCommand = function sendWatched(
    this: Insides,
    command: OwnCommand,
    ...more: unknown[]
  ): unknown {
    own.sent(command, redis.status === "ready" && insides.commandQueue.length === 0);
    return sendCommand.call(this, command, ...more);
  };

  redis.on("connect", () => own.connected());
  return own;
}
