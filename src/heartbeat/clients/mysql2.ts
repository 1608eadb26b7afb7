import type { Duplex } from "node:stream";
import { putHidden } from "../../watch/method-hook.ts";
import {
  ClientWatch,
  type ClientWatchOptions,
  type FollowSockets,
  withAnswerOwed,
} from "../client-watch.ts";
import { ClientUse } from "./client-use.ts";

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
  /** The program has ended the connection: the server closes, and answers nothing more. */
  readonly _closing?: boolean;
  readonly stream?: Duplex;
  readonly _command?: object | null;
  readonly _commands?: { readonly length: number };
  handlePacket?(packet?: Packet): void;
  addCommand?(command: object): unknown;
}

/** The members of a mysql2 pool that are used here. */
export interface Mysql2PoolLike {
  on(event: "connection", listener: (connection: Mysql2Like) => void): unknown;
  off(event: "connection", listener: (connection: Mysql2Like) => void): unknown;
}

/** The member of a mysql2 PoolCluster that is used here. */
export interface Mysql2PoolClusterLike {
  of(pattern: string): unknown;
}

interface Cluster {
  readonly _nodes: Readonly<Record<string, { readonly pool: Mysql2PoolLike }>>;
  add(...args: unknown[]): void;
}

interface PoolInsides {
  /** The pool behind that of the promise kind. */
  readonly pool?: PoolInsides;
  readonly poolCluster?: Cluster;
  readonly _allConnections?: { toArray(): readonly Mysql2Like[] };
}

/**
 * Sends COM_PING to the server. Returns `undefined` while a command runs, which may take long and
 * is answered first. Also while a transaction is open: a ping would keep the transaction from its
 * `idle_transaction_timeout`.
 */
export function mysql2Ping(connection: Mysql2Like): Promise<unknown> | undefined {
  return useOf(connection).ask(Number.POSITIVE_INFINITY);
}

const uses = new WeakMap<Mysql2Like, ClientUse>();

/** The methods that take packets and commands are wrapped once. */
function useOf(connection: Mysql2Like): ClientUse {
  const known = uses.get(connection);
  if (known) return known;
  const insides = connection as Mysql2Like & Insides;

  const isInTransaction = transactionsOf(insides);
  const isFree = (): boolean =>
    !hasEnded(insides) &&
    !insides._command &&
    (insides._commands?.length ?? 0) === 0 &&
    !isInTransaction();
  const use = new ClientUse(isFree, () => ping(insides));
  uses.set(connection, use);

  const { addCommand } = insides;
  if (addCommand)
    putHidden(insides, "addCommand", function addWatched(this: Insides, command: object): unknown {
      if (command.constructor.name !== "Ping") use.used();
      return addCommand.call(this, command);
    });
  return use;
}

function hasEnded(connection: Insides): boolean {
  return connection._closing === true;
}

function ping(connection: Mysql2Like): Promise<void> {
  return new Promise((resolve, reject) =>
    connection.ping((error) => (error ? reject(error) : resolve())),
  );
}

/**
 * Returns the function that says whether the connection is in a transaction, by the last packet of
 * each answer.
 */
function transactionsOf(insides: Insides): () => boolean {
  let isIn = false;
  const { handlePacket } = insides;
  if (handlePacket)
    putHidden(
      insides,
      "handlePacket",
      function handleWatched(this: Insides, packet?: Packet): void {
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
      },
    );
  return () => isIn;
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

function follow(
  connection: Mysql2Like,
  ...[onSocket, onNothing, askIdleForMs]: Parameters<FollowSockets>
): void {
  const { stream } = connection as Insides;
  if (!stream) {
    onNothing("the connection shows no stream; pass `.connection` of the promise kind");
    return;
  }
  const use = useOf(connection);
  onSocket(
    stream,
    () => use.ask(askIdleForMs),
    () => hasEnded(connection as Insides),
  );
}

/** Watches one mysql2 connection. It does not reconnect; a pool makes new ones. */
export function watchMysql2(connection: Mysql2Like, options?: ClientWatchOptions): ClientWatch {
  return new ClientWatch((...following) => {
    follow(connection, ...following);
    return () => {};
  }, withAnswerOwed(options));
}

/**
 * Watches every connection of a mysql2 pool, or of all pools of a PoolCluster: those that it has,
 * and those that it makes later.
 */
export function watchMysql2Pool(
  pool: Mysql2PoolLike | Mysql2PoolClusterLike,
  options?: ClientWatchOptions,
): ClientWatch {
  return new ClientWatch((...following) => {
    const begin = (connection: Mysql2Like): void => follow(connection, ...following);
    const cluster = (pool as PoolInsides).poolCluster ?? (pool as PoolInsides);
    return isCluster(cluster)
      ? followCluster(cluster, begin)
      : followPool(pool as Mysql2PoolLike, begin);
  }, withAnswerOwed(options));
}

type Begin = (connection: Mysql2Like) => void;

function followPool(pool: Mysql2PoolLike, begin: Begin): () => void {
  const { pool: inner, _allConnections } = pool as PoolInsides;
  for (const one of (inner?._allConnections ?? _allConnections)?.toArray() ?? []) begin(one);
  pool.on("connection", begin);
  return () => void pool.off("connection", begin);
}

function isCluster(pool: PoolInsides | Cluster): pool is Cluster {
  return "_nodes" in pool;
}

function followCluster(cluster: Cluster, begin: Begin): () => void {
  const stops = new Map<Mysql2PoolLike, () => void>();
  const find = (): void => {
    for (const { pool } of Object.values(cluster._nodes))
      if (!stops.has(pool)) stops.set(pool, followPool(pool, begin));
  };
  find();
  const finders = findersOf(cluster);
  finders.add(find);
  return () => {
    finders.delete(find);
    for (const stop of stops.values()) stop();
  };
}

const finders = new WeakMap<Cluster, Set<() => void>>();

/** Returns what is called after a node was added. The method is wrapped once. */
function findersOf(cluster: Cluster): Set<() => void> {
  const known = finders.get(cluster);
  if (known) return known;
  const own = new Set<() => void>();
  finders.set(cluster, own);

  const { add } = cluster;
  putHidden(cluster, "add", function addWatched(this: Cluster, ...args: unknown[]): void {
    add.apply(this, args);
    for (const find of own) find();
  });
  return own;
}
