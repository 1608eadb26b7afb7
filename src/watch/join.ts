import type { Socket } from "node:net";
import { Connection } from "./connection.ts";
import { engine } from "./engine.ts";
import { beneath, sharesDescriptor } from "./handle.ts";
import { connectionOf, moveUp } from "./socket-events.ts";
import type { Subscriber, WatchRecord } from "./subscribers.ts";

/**
 * Adds a watch to the one record of the socket's connection, or makes that record. A TLSSocket and
 * the socket beneath it have one descriptor, so they have one record, which goes on with the upper
 * one. If it throws, nothing has changed.
 */
export function join(socket: Socket, subscriber: Subscriber): WatchRecord {
  const known = recordOf(socket);
  if (!known) return new Connection(socket, subscriber);
  known.join(subscriber);
  moveUp(known, socket);
  return known;
}

/** Goes on with a TLSSocket that was put over a watched socket. */
export function followUpgrade(top: Socket): void {
  const known = beneath(top) && sharesDescriptor(top) ? recordOf(top) : null;
  if (known) moveUp(known, top);
}

/** Returns the record of the connection that the socket has now; ends that of an earlier one. */
export function recordOf(socket: Socket): Connection | null {
  const known = connectionOf(socket);
  if (!(known instanceof Connection)) return null;
  if (!known.isOutlived) return known;
  known.over(engine.now());
  return null;
}
