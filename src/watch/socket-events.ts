import type { Socket } from "node:net";
import { beneath, hasHandle, isBareStream } from "./handle.ts";
import { MethodHook, putHidden } from "./method-hook.ts";
import type { WatchRecord } from "./subscribers.ts";

/** The record of a connection, as its socket knows it: one method for each event of the socket. */
export interface SocketRecord extends WatchRecord {
  connected(): void;
  ended(): void;
  finished(): void;
  paused(): void;
  pushed(): void;
  closing(hasFailed: boolean): void;
  closed(): void;
  handedOver(isOurs: boolean): void;
}

/**
 * The property in which a watched socket holds its record. A property takes 30 bytes less than an
 * entry in a WeakMap, and spares the collector its table.
 */
const record: unique symbol = Symbol("halfopen");
/** The property in which a watched socket holds the TLSSocket that was put over it later. */
const over: unique symbol = Symbol("halfopen.over");

interface Watched extends Socket {
  [record]?: SocketRecord | undefined;
  [over]?: Socket | undefined;
}

/** Returns the record of a connection that is already watched, by this socket or one beneath. */
export function connectionOf(socket: Socket): SocketRecord | undefined {
  for (const each of downFrom(socket)) if (each[record]) return each[record];
  return undefined;
}

/**
 * Returns the socket that the program uses: `socket` itself, or the TLSSocket that was put over it
 * since it is watched ({@link moveUp}).
 */
export function uppermost(socket: Socket): Socket {
  let at: Watched = socket;
  while (at[over]) at = at[over];
  return at;
}

/**
 * Calls the connection for each event of its socket from now on. It adds no listeners: a program
 * removes those (`removeAllListeners` before STARTTLS) and counts them, and its own may run first.
 * Three methods of the socket are replaced instead.
 */
export function listen(connection: SocketRecord): void {
  for (const each of downFrom(connection.socket)) putHidden(each, record, connection);
  for (const method of methodsOf(connection.socket)) method.putOn(connection.socket);
}

export function stopListening(connection: SocketRecord): void {
  const { socket } = connection;
  if ((socket as Watched)[record] !== connection) return;
  const top = uppermost(socket);
  for (const each of downFrom(top)) {
    putHidden(each, record, undefined);
    if (each[over]) putHidden(each, over, undefined);
  }
  for (const method of methodsOf(top)) method.takeOff(top);
}

/** Goes on with the events of `top`, if that is a TLSSocket over the connection's socket. */
export function moveUp(connection: SocketRecord, top: Socket): void {
  if ((top as Watched)[record] === connection) return;
  const { socket } = connection;
  for (const method of METHODS) method.takeOff(uppermost(socket));
  putHidden(uppermost(socket), over, top);
  for (const each of downFrom(top)) putHidden(each, record, connection);
  for (const method of METHODS) method.putOn(top);
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
  socket[record]?.handedOver(true);
}

function seeClosing(socket: Watched, [error]: readonly unknown[]): void {
  if (hasHandle(socket)) socket[record]?.closing(error != null);
  else seeHandle(socket);
}

const EMIT: MethodHook<Watched> = new MethodHook("emit", (socket, [event]) => {
  const tell = TOLD[event as string];
  if (tell && socket[record] && !socket[over]) tell(socket[record]);
});

const METHODS: readonly MethodHook<Watched>[] = [
  EMIT,
  new MethodHook("setTimeout", seeHandle),
  new MethodHook("destroy", seeClosing),
];

/** Streams that are no sockets have no handle, and do not count the bytes that they read. */
const METHODS_OF_STREAM: readonly MethodHook<Watched>[] = [
  EMIT,
  new MethodHook("push", (stream, [chunk]) => {
    if (chunk !== null) stream[record]?.pushed();
  }),
];

function methodsOf(socket: Watched): readonly MethodHook<Watched>[] {
  return isBareStream(socket) ? METHODS_OF_STREAM : METHODS;
}

/** Yields the socket and those beneath it. */
function* downFrom(socket: Socket): Generator<Watched, void> {
  for (let at: Socket | null = socket; at; at = beneath(at)) yield at;
}
