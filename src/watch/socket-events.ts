import type { Socket } from "node:net";
import type { Connection } from "./connection.ts";

const connections = new WeakMap<Socket, Connection>();

/** The record of a socket that is watched already. */
export function connectionOf(socket: Socket): Connection | undefined {
  return connections.get(socket);
}

/** From now on the connection is told what its socket does. The listeners are shared: a watched connection has no closure of its own. */
export function listen(connection: Connection): void {
  const { socket } = connection;
  connections.set(socket, connection);
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
  if (connections.get(socket) === connection) connections.delete(socket);
}

function onClose(this: Socket): void {
  connections.get(this)?.closed();
}

function onConnect(this: Socket): void {
  connections.get(this)?.begin();
}

function onEnd(this: Socket): void {
  connections.get(this)?.ended();
}

function onFinish(this: Socket): void {
  connections.get(this)?.finished();
}

function onPause(this: Socket): void {
  connections.get(this)?.paused();
}
