import type { Socket } from "node:net";
import type { Connection } from "./connection.ts";

/** Where a watched socket holds its record: a property of its own takes 30 bytes less than an entry in a WeakMap, and spares the collector its table. */
const record: unique symbol = Symbol("halfopen");

interface Watched extends Socket {
  [record]?: Connection | undefined;
}

/** The record of a socket that is watched already. */
export function connectionOf(socket: Watched): Connection | undefined {
  return socket[record];
}

/** Not enumerable: who prints a socket does not see it. */
function hold(socket: Watched, connection: Connection | undefined): void {
  Object.defineProperty(socket, record, { value: connection, configurable: true, writable: true });
}

/** From now on the connection is told what its socket does. The listeners are shared: a watched connection has no closure of its own. */
export function listen(connection: Connection): void {
  const { socket } = connection;
  hold(socket, connection);
  socket.on("close", onClose);
  socket.on("pause", onPause);
  socket.on("end", onEnd);
  socket.on("finish", onFinish);
  if (socket.pending) socket.once("connect", onConnect);
}

export function stopListening(connection: Connection): void {
  const { socket } = connection;
  socket.off("close", onClose);
  socket.off("pause", onPause);
  socket.off("end", onEnd);
  socket.off("finish", onFinish);
  socket.off("connect", onConnect);
  if (connectionOf(socket) === connection) hold(socket, undefined);
}

function onClose(this: Socket): void {
  connectionOf(this)?.closed();
}

function onConnect(this: Socket): void {
  connectionOf(this)?.begin();
}

function onEnd(this: Socket): void {
  connectionOf(this)?.ended();
}

function onFinish(this: Socket): void {
  connectionOf(this)?.finished();
}

function onPause(this: Socket): void {
  connectionOf(this)?.paused();
}
