import type { Socket } from "node:net";
import { ClientWatch, type ClientWatchOptions } from "./client-watch.ts";

/** What is used of an ioredis client (5 and 6). */
export interface IoredisLike {
  readonly status: string;
  readonly stream?: unknown;
  ping(): Promise<unknown>;
  on(event: "connect", listener: () => void): unknown;
  off(event: "connect", listener: () => void): unknown;
}

/** Commands that wait at the server on purpose: what is sent behind one is answered after it. */
const BLOCKING = new Set([
  ...["blpop", "brpop", "brpoplpush", "blmove", "blmpop", "bzpopmin", "bzpopmax", "bzmpop"],
  ...["xread", "xreadgroup", "wait", "waitaof", "monitor"],
]);

interface Queue {
  peekFront?(): { command?: { name?: string } } | undefined;
}

/** Asks the Redis process; resolves at once where a blocking command stands before the question or the client is not ready. */
export function ioredisPing(redis: IoredisLike): Promise<unknown> | undefined {
  const waiting = (redis as { commandQueue?: Queue }).commandQueue?.peekFront?.()?.command?.name;
  if (redis.status !== "ready" || (waiting !== undefined && BLOCKING.has(waiting))) return undefined;
  return redis.ping();
}

/** Watches an ioredis client through its reconnects: plain, subscribed or blocked in BLPOP, XREAD and the like. */
export function watchIoredis(redis: IoredisLike, options?: ClientWatchOptions): ClientWatch {
  return new ClientWatch((onSocket) => {
    const begin = (): void => {
      const { stream } = redis;
      if (stream) onSocket(stream as Socket, () => ioredisPing(redis));
    };
    if (redis.status === "ready" || redis.status === "connect") begin();
    redis.on("connect", begin);
    return () => void redis.off("connect", begin);
  }, options);
}
