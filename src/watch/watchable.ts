import type { Socket } from "node:net";
import { HalfOpenError } from "../core/errors.ts";
import { openPort } from "../kernel/port/open-port.ts";
import { IPPROTO_MPTCP, SO_PROTOCOL, SOL_SOCKET } from "../kernel/port/platform-linux.ts";
import { readInt } from "../kernel/port/socket-option.ts";
import { descriptorOf, isPipe, realSocketOf } from "../kernel/process/descriptor.ts";

/**
 * The socket to watch behind what the caller has: a net.Socket, a TLSSocket, an http2 session's
 * socket.
 * @throws HalfOpenError `ERR_NOT_SUPPORTED` when it is no TCP socket, `ERR_NOT_CONNECTED` when it
 * is destroyed.
 */
export function watchableSocket(candidate: unknown): Socket {
  const socket = realSocketOf(candidate);
  if (socket.destroyed) {
    throw new HalfOpenError(
      "ERR_NOT_CONNECTED",
      "the socket is destroyed; watch a socket before or while it is connected",
    );
  }
  requireTcp(socket);
  return socket;
}

/**
 * Refuses pipes, TLS over a stream and the like at the call, not at the first check. A socket that
 * does not connect yet is not known: it is looked at again when it is connected.
 * @throws HalfOpenError `ERR_NOT_SUPPORTED`
 */
export function requireTcp(socket: Socket): void {
  if (socket.pending && !isPipe(socket)) return;
  if (openPort()) requireOnePath(descriptorOf(socket));
  else if (isPipe(socket)) descriptorOf(socket);
}

/**
 * TCP_INFO of a Multipath TCP socket is its first subflow's: the connection may live on another
 * path.
 */
function requireOnePath(fd: number): void {
  if (readInt(fd, SOL_SOCKET, SO_PROTOCOL, "SO_PROTOCOL") !== IPPROTO_MPTCP) return;
  throw new HalfOpenError(
    "ERR_NOT_SUPPORTED",
    "this is a Multipath TCP socket (IPPROTO_MPTCP): the kernel tells of its first path only, and it may live on another; use a heartbeat of your own",
  );
}

/** The error with which a watch ends that cannot be kept up. */
export function refusalOf(error: unknown): HalfOpenError {
  if (error instanceof HalfOpenError) return error;
  return new HalfOpenError("ERR_NOT_SUPPORTED", `cannot be watched: ${error}`, { cause: error });
}
