import { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { nextTick } from "../kernel/clock.ts";
import { hasHandle } from "../watch/handle.ts";
import { after, before } from "./wrap-method.ts";

/**
 * Calls `onSocket` for the sockets that are made over a connection that exists: sent by another
 * process or thread, or inherited as a descriptor (`new Socket({ fd: 3 })`, standard input).
 *
 * No channel announces them. Each gets its handle in initSocketHandle (lib/net.js, Node 20 to 26),
 * which calls `_undestroy`; so does one that begins to connect. The constructor has more to do
 * then, so the socket is adopted on the next tick.
 */
export function adoptInherited(onSocket: (socket: Socket) => void): void {
  if ("_undestroy" in Socket.prototype)
    after(Socket.prototype as Socket & { _undestroy(): void }, "_undestroy", (socket) => {
      if (hasHandle(socket)) nextTick(() => isInherited(socket) && onSocket(socket));
    });

  // What the parent process sent before this code was loaded waits for the program's listener. A
  // listener of ours would keep the process alive.
  if (process.send)
    before(process, "emit", (_, [event, , handle]) => {
      if (event === "message" && handle instanceof Socket) onSocket(handle);
    });
}

/**
 * Returns whether nobody else announces the socket. Standard output is left out, because nothing is
 * read from it: where it is a connection, standard input is the same one.
 */
function isInherited(socket: Socket & { readonly _server?: unknown }): boolean {
  const isAccepted = socket._server != null; // an http server sets `server` of any socket
  return !isAccepted && !socket.connecting && socket.readable && !(socket instanceof TLSSocket);
}
