import type { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { HalfOpenError } from "../core/errors.ts";
import { ClientWatch, type ClientWatchOptions } from "./client-watch.ts";
import { runAsNobody, runAsOpener } from "./sockets-opened-by.ts";

/** What is used of a node-redis client (5 and 6). */
export interface NodeRedisLike {
  readonly isOpen: boolean;
  readonly isReady: boolean;
  connect(): Promise<unknown>;
  ping(): Promise<unknown>;
}

/** Asks the Redis process; resolves at once while the client is not ready. */
export function nodeRedisPing(client: NodeRedisLike): Promise<unknown> | undefined {
  return client.isReady ? client.ping() : undefined;
}

/**
 * Watches a node-redis client through its reconnects. Call it before `client.connect()`: the client keeps its socket private, so the
 * watch learns of it when it is opened. A client that blocks (blPop) needs `canAsk`, since its queue is private too.
 *
 * @throws HalfOpenError `ERR_NOT_SUPPORTED` for a client that is connected already
 */
export function watchNodeRedis(client: NodeRedisLike, options?: ClientWatchOptions): ClientWatch {
  if (client.isOpen)
    throw new HalfOpenError("ERR_NOT_SUPPORTED", "node-redis keeps its socket private; call watchNodeRedis before client.connect()");
  return new ClientWatch((onSocket) => {
    const follower = (socket: Socket): void => onSocket(socket, () => nodeRedisPing(client));
    const followers = followersOf(client);
    followers.add(follower);
    return () => void followers.delete(follower);
  }, options);
}

const followersOfClients = new WeakMap<NodeRedisLike, Set<(socket: Socket) => void>>();

/** The client's methods are wrapped once, by the first who follows it: watches of one client may end in any order. */
function followersOf(client: NodeRedisLike): Set<(socket: Socket) => void> {
  const known = followersOfClients.get(client);
  if (known) return known;
  const own = new Set<(socket: Socket) => void>();
  followersOfClients.set(client, own);
  const { connect } = client;
  client.connect = function connectWatched(this: NodeRedisLike): Promise<unknown> {
    const tell = (socket: Socket): void => {
      for (const follower of own) follower(socket);
    };
    return runAsOpener(tell, () => connect.call(this));
  };
  // The program's listeners run within connect and within the reconnects; what they open is not the client's.
  // What createClient returns inherits from the client proper, which emits.
  const proper = ((client as { _self?: unknown })._self ?? client) as Pick<EventEmitter, "emit">;
  const { emit } = proper;
  proper.emit = function emitOutside(this: EventEmitter, ...args: Parameters<EventEmitter["emit"]>): boolean {
    return runAsNobody(() => emit.apply(this, args));
  };
  return own;
}
