import type { Socket } from "node:net";
import { HalfOpenError } from "../core/errors.ts";
import { descriptorOf, realSocketOf } from "../kernel/descriptor.ts";
import { openPort } from "../kernel/open-port.ts";

/**
 * The socket to watch behind what the caller has: a net.Socket, a TLSSocket, an http2 session's socket.
 * @throws HalfOpenError `ERR_NOT_SUPPORTED` when it is no TCP socket, `ERR_NOT_CONNECTED` when it is destroyed.
 */
export function watchableSocket(candidate: unknown): Socket {
  const socket = realSocketOf(candidate);
  if (socket.destroyed) {
    throw new HalfOpenError("ERR_NOT_CONNECTED", "the socket is destroyed; watch a socket before or while it is connected");
  }
  // Refuses pipes, TLS over a stream and the like at the call, not at the first check.
  if (!socket.pending && openPort()) descriptorOf(socket);
  return socket;
}
