import type { Socket } from "node:net";
import { hasHandle } from "./handle.ts";
import type { WatchRecord } from "./subscribers.ts";

/** The record of a connection, as its socket knows it: one method for each event of the socket. */
export interface SocketRecord extends WatchRecord {
  connected(): void;
  ended(): void;
  finished(): void;
  paused(): void;
  closing(): void;
  closed(): void;
  handedOver(isOurs: boolean): void;
}

/**
 * The property in which a watched socket holds its record. A property takes 30 bytes less than an
 * entry in a WeakMap, and spares the collector its table.
 */
const record: unique symbol = Symbol("halfopen");

interface Watched extends Socket {
  [record]?: SocketRecord | undefined;
}

type Method = (this: Watched, ...args: unknown[]) => unknown;
type Hooked = "emit" | "setTimeout" | "destroy";

/** Returns the record of a socket that is already watched. */
export function connectionOf(socket: Watched): SocketRecord | undefined {
  return socket[record];
}

/**
 * Calls the connection for each event of its socket from now on. It adds no listeners: a program
 * removes those (`removeAllListeners` before STARTTLS) and counts them, and its own may run first.
 * Three methods of the socket are replaced instead, by functions that all sockets share.
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
 * Reports that somebody took the handle. Handing a socket to another process or thread emits no
 * event, but calls `setTimeout` (subprocess.send, lib/internal/child_process.js) or `destroy`
 * (postMessage, lib/net.js of Node 26) right after. At that moment the descriptor is still the
 * connection's.
 */
function seeHandle(socket: Watched): void {
  if (hasHandle(socket) || socket.destroyed || socket.connecting) return;
  connectionOf(socket)?.handedOver(true);
}

function seeClosing(socket: Watched): void {
  if (hasHandle(socket)) connectionOf(socket)?.closing();
  else seeHandle(socket);
}

/** Functions that run before the socket's own method. */
const BEFORE: Readonly<Record<Hooked, (socket: Watched, args: readonly unknown[]) => void>> = {
  emit: (socket, [event]) => {
    const tell = TOLD[event as string];
    if (tell && socket[record]) tell(socket[record]);
  },
  setTimeout: seeHandle,
  destroy: seeClosing,
};
const HOOKED = Object.keys(BEFORE) as Hooked[];

const SHARED: Readonly<Record<Hooked, Method>> = {
  emit: standIn("emit", ownClassMethod("emit")),
  setTimeout: standIn("setTimeout", ownClassMethod("setTimeout")),
  destroy: standIn("destroy", ownClassMethod("destroy")),
};
/** The method that other code had put on the socket, by the stand-in that replaced it. */
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
 * Puts the original method back; deleting ours would turn the socket into a slow object. If other
 * code put a method over ours, ours stays below and calls nobody.
 */
function unhook(socket: Watched, name: Hooked): void {
  const present = socket[name] as Method;
  const before = present === SHARED[name] ? ownClassMethod(name)(socket) : replaced.get(present);
  if (before) put(socket, name, before);
}

function hold(socket: Watched, connection: SocketRecord | undefined): void {
  put(socket, record, connection);
}

/** Defines a property that is not enumerable, so that a printed socket does not show it. */
function put(socket: Watched, name: Hooked | typeof record, value: unknown): void {
  Object.defineProperty(socket, name, { value, configurable: true, writable: true });
}
