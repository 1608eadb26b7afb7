import type { Duplex } from "node:stream";
import {
  ClientWatch,
  type ClientWatchOptions,
  type OnSocket,
  withAnswerOwed,
} from "../client-watch.ts";

/**
 * The members of a mysql2 connection (3) that are used here: the callback kind, or `.connection` of
 * the promise kind.
 */
export interface Mysql2Like {
  ping(callback: (error: Error | null) => void): unknown;
}

interface Packet {
  readonly buffer: Buffer;
  readonly start: number;
  readonly end: number;
}

interface Insides {
  readonly stream?: Duplex;
  readonly _command?: object | null;
  readonly _commands?: { readonly length: number };
  handlePacket?(packet?: Packet): void;
}

/** The members of a mysql2 pool that are used here. */
export interface Mysql2PoolLike {
  on(event: "connection", listener: (connection: Mysql2Like) => void): unknown;
  off(event: "connection", listener: (connection: Mysql2Like) => void): unknown;
}

interface PoolInsides {
  /** The pool behind that of the promise kind. */
  readonly pool?: PoolInsides;
  readonly _allConnections?: { toArray(): readonly Mysql2Like[] };
}

/**
 * Sends COM_PING to the server. Returns `undefined` while a command runs, which may take long and
 * is answered first. Also while a transaction is open: a ping would keep the transaction from its
 * `idle_transaction_timeout`.
 */
export function mysql2Ping(connection: Mysql2Like): Promise<void> | undefined {
  const isInTransaction = transactionsOf(connection);
  const { _command, _commands } = connection as Insides;
  if (_command || (_commands?.length ?? 0) > 0 || isInTransaction()) return undefined;
  return new Promise((resolve, reject) =>
    connection.ping((error) => (error ? reject(error) : resolve())),
  );
}

const transactions = new WeakMap<Mysql2Like, () => boolean>();

/**
 * Returns the function that says whether the connection is in a transaction, by the last packet of
 * each answer. The method that takes packets is wrapped once.
 */
function transactionsOf(connection: Mysql2Like): () => boolean {
  const known = transactions.get(connection);
  if (known) return known;

  let isIn = false;
  const isInTransaction = (): boolean => isIn;
  transactions.set(connection, isInTransaction);

  const insides = connection as Insides;
  const { handlePacket } = insides;
  if (handlePacket)
    insides.handlePacket = function handleWatched(this: Insides, packet?: Packet): void {
      const { _command } = this;
      handlePacket.call(this, packet);
      if (
        !packet ||
        !_command ||
        _command === this._command ||
        _command.constructor.name === "Prepare"
      )
        return;
      isIn = isInTransactionAfter(packet) ?? isIn;
    };
  return isInTransaction;
}

const HEADER_BYTES = 4;
const SERVER_STATUS_IN_TRANS = 1;
const OK = 0x00;
const EOF = 0xfe;

/**
 * Reads the server status of an OK or EOF packet (MySQL Client/Server Protocol, "Generic Response
 * Packets"). `undefined` for other packets: an error packet has no status.
 */
function isInTransactionAfter({ buffer, start, end }: Packet): boolean | undefined {
  let at = start + HEADER_BYTES;
  const kind = buffer[at++];
  if (kind === OK) at = afterNumber(buffer, afterNumber(buffer, at));
  else if (kind === EOF)
    at += 2; // warnings
  else return undefined;
  return at + 2 <= end ? (buffer.readUInt16LE(at) & SERVER_STATUS_IN_TRANS) !== 0 : undefined;
}

/** Returns the offset behind a length-encoded integer that begins at `at`. */
function afterNumber(buffer: Buffer, at: number): number {
  const first = buffer[at] ?? 0;
  if (first < 0xfb) return at + 1;
  return at + (first === 0xfc ? 3 : first === 0xfd ? 4 : 9);
}

function follow(connection: Mysql2Like, onSocket: OnSocket): void {
  const { stream } = connection as Insides;
  if (!stream) return;
  transactionsOf(connection);
  onSocket(stream, () => mysql2Ping(connection));
}

/** Watches one mysql2 connection. It does not reconnect; a pool makes new ones. */
export function watchMysql2(connection: Mysql2Like, options?: ClientWatchOptions): ClientWatch {
  return new ClientWatch((onSocket) => {
    follow(connection, onSocket);
    return () => {};
  }, withAnswerOwed(options));
}

/** Watches every connection of a mysql2 pool: those that it has, and those that it makes later. */
export function watchMysql2Pool(pool: Mysql2PoolLike, options?: ClientWatchOptions): ClientWatch {
  return new ClientWatch((onSocket) => {
    const begin = (connection: Mysql2Like): void => follow(connection, onSocket);
    const { pool: inner, _allConnections } = pool as PoolInsides;
    for (const one of (inner?._allConnections ?? _allConnections)?.toArray() ?? []) begin(one);
    pool.on("connection", begin);
    return () => void pool.off("connection", begin);
  }, withAnswerOwed(options));
}
