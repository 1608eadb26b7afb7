import type { Duplex } from "node:stream";
import {
  ClientWatch,
  type ClientWatchOptions,
  type OnSocket,
  withAnswerOwed,
} from "../client-watch.ts";

/** The members of a pg Client (8) that are used here. */
export interface PgClientLike {
  query(text: string): Promise<unknown>;
  on(event: "end", listener: () => void): unknown;
}

/** PostgreSQL's ReadyForQuery: idle, in a transaction, in a failed transaction. */
interface ReadyForQuery {
  readonly status: "I" | "T" | "E";
}

interface Insides {
  readonly connection?: {
    readonly stream?: Duplex;
    on(event: "readyForQuery", listener: (message: ReadyForQuery) => void): unknown;
  };
  readonly readyForQuery?: boolean;
  readonly _txStatus?: ReadyForQuery["status"] | null;
}

/** The members of a pg Pool that are used here. */
export interface PgPoolLike {
  on(event: "connect", listener: (client: PgClientLike) => void): unknown;
  off(event: "connect", listener: (client: PgClientLike) => void): unknown;
}

interface PoolInsides {
  /** Clients that still connect are among them. */
  readonly _clients?: readonly (PgClientLike & { readonly _connected?: boolean })[];
}

/**
 * Sends an empty query to the PostgreSQL process. Returns `undefined` while another query runs,
 * which may take long and is answered first. Also while a transaction is open: a query would keep
 * the transaction from its `idle_in_transaction_session_timeout`.
 */
export function pgPing(client: PgClientLike): Promise<unknown> | undefined {
  const isInTransaction = transactionsOf(client);
  return (client as Insides).readyForQuery && !isInTransaction() ? client.query("") : undefined;
}

const transactions = new WeakMap<PgClientLike, () => boolean>();

/** Returns the function that says whether the client is in a transaction, as the server reports. */
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
 * Watches a connected or connecting pg Client, also a Client that only LISTENs. A Client does not
 * reconnect; a Pool makes new Clients.
 */
export function watchPg(client: PgClientLike, options?: ClientWatchOptions): ClientWatch {
  return new ClientWatch((onSocket) => {
    follow(client, onSocket);
    return () => {};
  }, withAnswerOwed(options));
}

/** Watches every client of a pg Pool: those that it has, and those that it connects later. */
export function watchPgPool(pool: PgPoolLike, options?: ClientWatchOptions): ClientWatch {
  return new ClientWatch((onSocket) => {
    const begin = (client: PgClientLike): void => follow(client, onSocket);
    for (const client of (pool as PoolInsides)._clients ?? []) if (client._connected) begin(client);
    pool.on("connect", begin);
    return () => void pool.off("connect", begin);
  }, withAnswerOwed(options));
}
