import type { Socket } from "node:net";
import { ClientWatch, type ClientWatchOptions, type OnSocket } from "../client-watch.ts";

/** What is used of a pg Client (8). */
export interface PgClientLike {
  query(text: string): Promise<unknown>;
  on(event: "end", listener: () => void): unknown;
}

/** PostgreSQL's ReadyForQuery: idle, in a transaction, in one that failed. */
interface ReadyForQuery {
  readonly status: "I" | "T" | "E";
}

interface Insides {
  readonly connection?: {
    readonly stream?: Socket;
    on(event: "readyForQuery", listener: (message: ReadyForQuery) => void): unknown;
  };
  readonly readyForQuery?: boolean;
  readonly _txStatus?: ReadyForQuery["status"] | null;
}

/** What is used of a pg Pool. */
export interface PgPoolLike {
  on(event: "connect", listener: (client: PgClientLike) => void): unknown;
  off(event: "connect", listener: (client: PgClientLike) => void): unknown;
}

/**
 * Asks the PostgreSQL process with an empty query. Returns `undefined` while it cannot be asked:
 * another query runs, which may take long and is answered first, or a transaction is open, which a
 * query would keep from `idle_in_transaction_session_timeout`.
 */
export function pgPing(client: PgClientLike): Promise<unknown> | undefined {
  const isInTransaction = transactionsOf(client);
  return (client as Insides).readyForQuery && !isInTransaction() ? client.query("") : undefined;
}

const transactions = new WeakMap<PgClientLike, () => boolean>();

/** Tells whether the client is in a transaction, by the server's own word. */
function transactionsOf(client: PgClientLike): () => boolean {
  const known = transactions.get(client);
  if (known) return known;
  const { connection, _txStatus } = client as Insides;
  let status = _txStatus ?? "I";
  connection?.on("readyForQuery", (message) => {
    status = message.status;
  });
  const isInTransaction = (): boolean => status !== "I";
  transactions.set(client, isInTransaction);
  return isInTransaction;
}

function follow(client: PgClientLike, onSocket: OnSocket): void {
  const { stream } = (client as Insides).connection ?? {};
  if (!stream) return;
  transactionsOf(client);
  onSocket(stream, () => pgPing(client));
}

/**
 * Watches a connected or connecting pg Client, also one that only LISTENs. A Client does not
 * reconnect; a Pool makes new ones.
 */
export function watchPg(client: PgClientLike, options?: ClientWatchOptions): ClientWatch {
  return new ClientWatch((onSocket) => {
    follow(client, onSocket);
    return () => {};
  }, options);
}

/** Watches every client that a pg Pool connects from now on. */
export function watchPgPool(pool: PgPoolLike, options?: ClientWatchOptions): ClientWatch {
  return new ClientWatch((onSocket) => {
    const begin = (client: PgClientLike): void => follow(client, onSocket);
    pool.on("connect", begin);
    return () => void pool.off("connect", begin);
  }, options);
}
