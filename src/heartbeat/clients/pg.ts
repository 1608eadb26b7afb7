import type { Duplex } from "node:stream";
import { putHidden } from "../../watch/method-hook.ts";
import { ClientWatch, type ClientWatchOptions, type FollowSockets } from "../client-watch.ts";
import { ClientUse } from "./client-use.ts";

/** The members of a pg Client (8) that are used here. */
export interface PgClientLike {
  query(text: string): Promise<unknown>;
  on(event: "end", listener: () => void): unknown;
}

/** PostgreSQL's ReadyForQuery: idle, in a transaction, in a failed transaction. */
interface ReadyForQuery {
  readonly status: "I" | "T" | "E";
}

type Query = (...args: unknown[]) => Promise<unknown>;

interface Insides {
  readonly connection?: {
    readonly stream?: Duplex;
    on(event: "readyForQuery", listener: (message: ReadyForQuery) => void): unknown;
  };
  readonly readyForQuery?: boolean;
  /** The program has ended the client: the server closes, and answers nothing more. */
  readonly _ending?: boolean;
  readonly _txStatus?: ReadyForQuery["status"] | null;
  /** The server process, as the connection's other end named it. */
  readonly processID?: number | null;
  readonly query: Query;
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
 * Sends a query to the PostgreSQL process: at first one for its process id, later empty ones.
 * Returns `undefined` while another query runs, which may take long and is answered first. Also
 * while a transaction is open: a query would keep the transaction from its
 * `idle_in_transaction_session_timeout`. And behind a pooler, whose queue of clients may be longer
 * than any budget: the process id is then not the one that the connection began with.
 */
export function pgPing(client: PgClientLike): Promise<unknown> | undefined {
  return sessionOf(client).ask(Number.POSITIVE_INFINITY);
}

const sessions = new WeakMap<PgClientLike, PgSession>();

function sessionOf(client: PgClientLike): PgSession {
  const session = sessions.get(client) ?? new PgSession(client as Insides);
  sessions.set(client, session);
  return session;
}

/** A client, as the server reports it. The client's `query` is wrapped once. */
class PgSession {
  readonly #client: Insides;
  readonly #query: Query;
  readonly #use: ClientUse;
  #status: ReadyForQuery["status"];
  /** `null`: not known yet. */
  #isPooled: boolean | null = null;
  #onReady: (() => void) | null = null;

  constructor(client: Insides) {
    this.#client = client;
    this.#status = client._txStatus ?? "I";
    client.connection?.on("readyForQuery", ({ status }) => {
      this.#status = status;
      this.#onReady?.();
    });

    const isFree = (): boolean =>
      client.readyForQuery === true && !hasEnded(client) && this.#status === "I";
    const use = new ClientUse(isFree, () => this.#send());
    this.#use = use;
    const { query } = client;
    this.#query = (...args) => query.apply(client, args);
    putHidden(client, "query", function queryWatched(this: Insides, ...args: unknown[]): unknown {
      use.used();
      return query.apply(this, args);
    });
  }

  ask(askIdleForMs: number): Promise<unknown> | undefined {
    return this.#isPooled ? undefined : this.#use.ask(askIdleForMs);
  }

  /** The client may give a query up. The server's answer still comes, and is the proof. */
  #send(): Promise<unknown> {
    const answer = new Promise<void>((resolve) => {
      this.#onReady = resolve;
    });
    if (this.#isPooled === null) this.#learnPooled();
    else this.#query("").catch(() => {});
    return answer;
  }

  /** A server that does not say its process id may be anything, also a pooler. */
  #learnPooled(): void {
    this.#query({ text: "select pg_backend_pid()", rowMode: "array" }).then(
      (result) => {
        const { rows } = result as { readonly rows: readonly (readonly unknown[])[] };
        this.#isPooled = Number(rows[0]?.[0]) !== this.#client.processID;
      },
      () => {
        this.#isPooled = true;
      },
    );
  }
}

function hasEnded(client: Insides): boolean {
  return client._ending === true;
}

function follow(
  client: PgClientLike,
  ...[onSocket, onNothing, askIdleForMs]: Parameters<FollowSockets>
): void {
  const { stream } = (client as Insides).connection ?? {};
  if (!stream) {
    onNothing("the client shows no stream; pg-native has none");
    return;
  }
  const session = sessionOf(client);
  onSocket(
    stream,
    () => session.ask(askIdleForMs),
    () => hasEnded(client as Insides),
  );
}

/**
 * Watches a connected or connecting pg Client, also a Client that only LISTENs. A Client does not
 * reconnect; a Pool makes new Clients.
 */
export function watchPg(client: PgClientLike, options?: ClientWatchOptions): ClientWatch {
  return new ClientWatch((...following) => {
    follow(client, ...following);
    return () => {};
  }, options);
}

/** Watches every client of a pg Pool: those that it has, and those that it connects later. */
export function watchPgPool(pool: PgPoolLike, options?: ClientWatchOptions): ClientWatch {
  return new ClientWatch((...following) => {
    const begin = (client: PgClientLike): void => follow(client, ...following);
    for (const client of (pool as PoolInsides)._clients ?? []) if (client._connected) begin(client);
    pool.on("connect", begin);
    return () => void pool.off("connect", begin);
  }, options);
}
