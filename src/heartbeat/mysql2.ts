import type { Socket } from "node:net";
import { ClientWatch, type ClientWatchOptions } from "./client-watch.ts";

/** What is used of a mysql2 connection (3): the callback kind, or `.connection` of the promise kind. */
export interface Mysql2Like {
  ping(callback: (error: Error | null) => void): unknown;
}

interface Insides {
  readonly stream?: Socket;
  readonly _command?: unknown;
  readonly _commands?: { readonly length: number };
}

/** What is used of a mysql2 pool. */
export interface Mysql2PoolLike {
  on(event: "connection", listener: (connection: Mysql2Like) => void): unknown;
  off(event: "connection", listener: (connection: Mysql2Like) => void): unknown;
}

/** Asks the server with COM_PING; resolves at once while a command runs: it may take long, and is answered first. */
export function mysql2Ping(connection: Mysql2Like): Promise<void> | undefined {
  const { _command, _commands } = connection as Insides;
  if (_command || (_commands?.length ?? 0) > 0) return undefined;
  return new Promise((resolve, reject) => connection.ping((error) => (error ? reject(error) : resolve())));
}

/** Watches one mysql2 connection. It does not reconnect; a pool makes new ones. */
export function watchMysql2(connection: Mysql2Like, options?: ClientWatchOptions): ClientWatch {
  return new ClientWatch((onSocket) => {
    const { stream } = connection as Insides;
    if (stream) onSocket(stream, () => mysql2Ping(connection));
    return () => {};
  }, options);
}

/** Watches every connection that a mysql2 pool makes from now on. */
export function watchMysql2Pool(pool: Mysql2PoolLike, options?: ClientWatchOptions): ClientWatch {
  return new ClientWatch((onSocket) => {
    const begin = (connection: Mysql2Like): void => {
      const { stream } = connection as Insides;
      if (stream) onSocket(stream, () => mysql2Ping(connection));
    };
    pool.on("connection", begin);
    return () => void pool.off("connection", begin);
  }, options);
}
