import type { Socket } from "node:net";
import { hasHandle } from "./handle.ts";
import type { WatchRecord } from "./subscribers.ts";

/** The record of a connection, as its socket knows it: what the socket does is said here. */
export interface SocketRecord extends WatchRecord {
  connected(): void;
  ended(): void;
  finished(): void;
  paused(): void;
  closed(): void;
  handedOver(isOurs: boolean): void;
}

/**
 * Where a watched socket holds its record: a property of its own takes 30 bytes less than an entry
 * in a WeakMap, and spares the collector its table.
 */
const record: unique symbol = Symbol("halfopen");

interface Watched extends Socket {
  [record]?: SocketRecord | undefined;
}

type Method = (this: Watched, ...args: unknown[]) => unknown;
type Hooked = "emit" | "setTimeout" | "destroy";

/** The record of a socket that is watched already. */
export function connectionOf(socket: Watched): SocketRecord | undefined {
  return socket[record];
}

/**
 * From now on the connection is told what its socket does. Not by listeners: a program takes those
 * off (`removeAllListeners` before STARTTLS) and counts them, and its own may run first. Three
 * methods of the socket are stood in for instead, by functions that all sockets share.
 */
export function listen(connection: SocketRecord): void {
  const { socket } = connection;
  hold(socket, connection);
  for (const name of HOOKED) hook(socket, name);
}

export function stopListening(connection: SocketRecord): void {
  const { socket } = connection;
  if (connectionOf(socket) !== connection) return;
  hold(socket, undefined);
  for (const name of HOOKED) unhook(socket, name);
}

const TOLD: Readonly<Record<string, (connection: SocketRecord) => void>> = Object.assign(
  Object.create(null),
  {
    close: (connection: SocketRecord) => connection.closed(),
    connect: (connection: SocketRecord) => connection.connected(),
    end: (connection: SocketRecord) => connection.ended(),
    finish: (connection: SocketRecord) => connection.finished(),
    pause: (connection: SocketRecord) => connection.paused(),
  },
);

/**
 * Who hands a socket to another process or thread takes its handle, tells nobody, and in the same
 * breath calls `setTimeout` (subprocess.send, lib/internal/child_process.js) or `destroy`
 * (postMessage, lib/net.js of Node 26). At that moment the descriptor is still the connection's.
 */
function seeHandle(socket: Watched): void {
  if (hasHandle(socket) || socket.destroyed || socket.connecting) return;
  connectionOf(socket)?.handedOver(true);
}

/** What is done before the socket's own method. */
const BEFORE: Readonly<Record<Hooked, (socket: Watched, args: readonly unknown[]) => void>> = {
  emit: (socket, [event]) => {
    const tell = TOLD[event as string];
    if (tell && socket[record]) tell(socket[record]);
  },
  setTimeout: seeHandle,
  destroy: seeHandle,
};
const HOOKED = Object.keys(BEFORE) as Hooked[];

const SHARED: Readonly<Record<Hooked, Method>> = {
  emit: standIn("emit", ownClassMethod("emit")),
  setTimeout: standIn("setTimeout", ownClassMethod("setTimeout")),
  destroy: standIn("destroy", ownClassMethod("destroy")),
};
/** Of stand-ins for a method that somebody else had put on the socket before: that method. */
const replaced = new WeakMap<Method, Method>();

function standIn(name: Hooked, next: (socket: Watched) => Method): Method {
  const before = BEFORE[name];
  return function (this: Watched, ...args: unknown[]): unknown {
    before(this, args);
    return Reflect.apply(next(this), this, args);
  };
}

function ownClassMethod(name: Hooked): (socket: Watched) => Method {
  return (socket) => Object.getPrototypeOf(socket)[name] as Method;
}

function hook(socket: Watched, name: Hooked): void {
  const present = socket[name] as Method;
  const isPlain = present === SHARED[name] || present === ownClassMethod(name)(socket);
  const ours = isPlain ? SHARED[name] : standIn(name, () => present);
  if (!isPlain) replaced.set(ours, present);
  put(socket, name, ours);
}

/**
 * Not deleted: that would make a slow object of the socket. Where somebody put a method over ours
 * it stays below, with nobody to tell.
 */
function unhook(socket: Watched, name: Hooked): void {
  const present = socket[name] as Method;
  const before = present === SHARED[name] ? ownClassMethod(name)(socket) : replaced.get(present);
  if (before) put(socket, name, before);
}

function hold(socket: Watched, connection: SocketRecord | undefined): void {
  put(socket, record, connection);
}

/** Not enumerable: who prints a socket does not see it. */
function put(socket: Watched, name: Hooked | typeof record, value: unknown): void {
  Object.defineProperty(socket, name, { value, configurable: true, writable: true });
}
