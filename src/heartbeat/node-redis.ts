import { HalfOpenError } from "../core/errors.ts";
import { ClientWatch, type ClientWatchOptions } from "./client-watch.ts";
import { runAsOpener } from "./sockets-opened-by.ts";

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
    const { connect } = client;
    client.connect = function connectWatched(this: NodeRedisLike): Promise<unknown> {
      return runAsOpener(
        (socket) => onSocket(socket, () => nodeRedisPing(client)),
        () => connect.call(this),
      );
    };
    return () => {
      client.connect = connect;
    };
  }, options);
}
