import type { Socket } from "node:net";
import { ClientWatch, type ClientWatchOptions } from "./client-watch.ts";

/** What is used of a pg Client (8). */
export interface PgClientLike {
  query(text: string): Promise<unknown>;
  on(event: "end", listener: () => void): unknown;
}

interface Insides {
  readonly connection?: { readonly stream?: Socket; once?(event: "connect" | "sslconnect", listener: () => void): unknown };
  readonly activeQuery?: unknown;
  readonly readyForQuery?: boolean;
}

/** What is used of a pg Pool. */
export interface PgPoolLike {
  on(event: "connect", listener: (client: PgClientLike) => void): unknown;
  off(event: "connect", listener: (client: PgClientLike) => void): unknown;
}

/** Asks the PostgreSQL process with an empty query; resolves at once while another query runs: it may take long, and is answered first. */
export function pgPing(client: PgClientLike): Promise<unknown> | undefined {
  return (client as Insides).readyForQuery ? client.query("") : undefined;
}

/** Watches a connected or connecting pg Client, also one that only LISTENs. A Client does not reconnect; a Pool makes new ones. */
export function watchPg(client: PgClientLike, options?: ClientWatchOptions): ClientWatch {
  return new ClientWatch((onSocket) => {
    const { stream } = (client as Insides).connection ?? {};
    if (stream) onSocket(stream, () => pgPing(client));
    return () => {};
  }, options);
}

/** Watches every client that a pg Pool connects from now on. */
export function watchPgPool(pool: PgPoolLike, options?: ClientWatchOptions): ClientWatch {
  return new ClientWatch((onSocket) => {
    const begin = (client: PgClientLike): void => {
      const { stream } = (client as Insides).connection ?? {};
      if (stream) onSocket(stream, () => pgPing(client));
    };
    pool.on("connect", begin);
    return () => void pool.off("connect", begin);
  }, options);
}
