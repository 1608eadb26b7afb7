import type { Socket } from "node:net";
import { HalfOpenError } from "../core/errors.ts";
import { openPort } from "../kernel/port/open-port.ts";
import { IPPROTO_MPTCP, SO_PROTOCOL, SOL_SOCKET } from "../kernel/port/platform-linux.ts";
import { readInt } from "../kernel/port/socket-option.ts";
import { descriptorOf, isPipe, realSocketOf } from "../kernel/process/descriptor.ts";
import { beneath, isBareStream, isDuplex, sharesDescriptor } from "./handle.ts";
import type { WatchSettings } from "./settings.ts";

/**
 * Returns the socket to watch behind a net.Socket, a TLSSocket or an http2 session's socket. Behind
 * a TLSSocket that reads from another socket as from a stream, it is that other one.
 *
 * Where a heartbeat decides alone (`settings`), any other stream can be watched too, and is
 * returned as it is. It has no descriptor, and none of a socket's own members.
 * @throws HalfOpenError `ERR_NOT_SUPPORTED` when it is no TCP socket, `ERR_NOT_CONNECTED` when it
 * is destroyed.
 */
export function watchableSocket(candidate: unknown, settings: WatchSettings | null = null): Socket {
  const isStreamEnough = settings !== null && canHeartbeatDecide(settings);
  const isBare = isStreamEnough && isBareStream(candidate as Socket) && isDuplex(candidate);
  let socket = isBare ? (candidate as Socket) : realSocketOf(candidate);
  for (let under = beneath(socket); under && !sharesDescriptor(socket); under = beneath(socket))
    socket = under;
  if (socket.destroyed) {
    throw new HalfOpenError(
      "ERR_NOT_CONNECTED",
      "the socket is destroyed; watch a socket before or while it is connected",
    );
  }
  if (!isStreamEnough) requireTcp(socket);
  return socket;
}

/** Returns whether a heartbeat gives the verdict where the kernel gives no evidence. */
export function canHeartbeatDecide({ heartbeat, expect }: WatchSettings): boolean {
  return heartbeat !== null && expect === "process";
}

/** Returns why the kernel has no evidence of the stream's peer, in words; `null`: it has. */
export function whyNotTcp(socket: Socket): string | null {
  if (isBareStream(socket)) return "this is a stream, not a socket of this process";
  try {
    requireTcp(socket);
    return null;
  } catch (error) {
    return refusalOf(error).message;
  }
}

/**
 * Refuses pipes, TLS over a stream and the like at the call, not at the first check. A socket that
 * is not connected yet may be of unknown kind: it is checked again once connected.
 * @throws HalfOpenError `ERR_NOT_SUPPORTED`
 */
export function requireTcp(socket: Socket): void {
  if (socket.pending && !isPipe(socket)) return;
  if (openPort()) requireOnePath(descriptorOf(socket));
  else if (isPipe(socket)) descriptorOf(socket);
}

/**
 * Refuses a Multipath TCP socket: its TCP_INFO is the first subflow's, and the connection may live
 * on another path.
 */
function requireOnePath(fd: number): void {
  if (readInt(fd, SOL_SOCKET, SO_PROTOCOL, "SO_PROTOCOL") !== IPPROTO_MPTCP) return;
  throw new HalfOpenError(
    "ERR_NOT_SUPPORTED",
    "this is a Multipath TCP socket (IPPROTO_MPTCP): the kernel reports its first path only, and the connection may live on another; use a heartbeat of your own",
  );
}

/** Returns the error that ends a watch that cannot go on. */
export function refusalOf(error: unknown): HalfOpenError {
  if (error instanceof HalfOpenError) return error;
  return new HalfOpenError("ERR_NOT_SUPPORTED", `cannot be watched: ${error}`, { cause: error });
}
