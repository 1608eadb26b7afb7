import { Socket } from "node:net";
import { HalfOpenError } from "../../core/errors.ts";
import { openedWinsock } from "../port/open-socket-port.ts";
import { type DenoHandle, denoDescriptorOf } from "./deno-descriptor.ts";
import { socketHandleOf } from "./winsock-handle.ts";

interface Handle extends DenoHandle {
  readonly fd?: number;
  readonly constructor: { readonly name: string };
}

/**
 * Returns the net.Socket behind what a caller has. An http2 session shows its socket through a
 * proxy that refuses `destroy`. The proxy binds other methods to the real socket, and `off` returns
 * the socket it is bound to.
 *
 * @throws HalfOpenError `ERR_NOT_SUPPORTED`
 */
export function realSocketOf(candidate: unknown): Socket {
  if (!(candidate instanceof Socket)) {
    throw new HalfOpenError(
      "ERR_NOT_SUPPORTED",
      `a net.Socket or tls.TLSSocket is needed, got ${describe(candidate)}; pass the client's own socket`,
    );
  }
  return candidate.off("halfopen:none", ignore);
}

/**
 * Returns the descriptor of a connected TCP socket.
 *
 * @throws HalfOpenError `ERR_NOT_SUPPORTED` for what is no TCP socket, `ERR_NOT_CONNECTED` for one
 * without a connection
 */
export function descriptorOf(candidate: unknown): number {
  const socket = realSocketOf(candidate);
  const handle = handleOf(socket);
  if (socket.destroyed || !handle) {
    throw new HalfOpenError(
      "ERR_NOT_CONNECTED",
      `the socket is ${socket.destroyed ? "destroyed" : "not connected"}; wait for 'connect', or connect anew`,
    );
  }
  if (isPipe(socket)) {
    throw new HalfOpenError(
      "ERR_NOT_SUPPORTED",
      "this is a Unix-domain socket or pipe, not TCP; its peer is on this host, and the system reports its end at once",
    );
  }

  const fd = descriptorBehind(handle);
  if (fd >= 0) return fd;
  if (socket.connecting)
    throw new HalfOpenError(
      "ERR_NOT_CONNECTED",
      "the socket is still connecting; wait for 'connect'",
    );

  const winsock = openedWinsock();
  const found = winsock ? socketHandleOf(winsock, socket) : -1;
  if (found >= 0) return found;
  throw new HalfOpenError(
    "ERR_NOT_SUPPORTED",
    "the socket has no descriptor: it is TLS over a stream; pass the net.Socket underneath",
  );
}

/** Returns whether a socket is, or is about to connect to, a Unix-domain socket or a named pipe. */
export function isPipe(socket: Socket): boolean {
  return handleOf(socket)?.constructor.name === "Pipe";
}

function handleOf(socket: Socket): Handle | null | undefined {
  return (socket as unknown as { _handle?: Handle | null })._handle;
}

/** Returns the descriptor behind a runtime's handle; -1 where the handle does not show it. */
export function descriptorBehind(handle: { readonly fd?: number } & DenoHandle): number {
  return handle.fd ?? denoDescriptorOf(handle);
}

function ignore(): void {}

function describe(value: unknown): string {
  if (typeof value !== "object" || value === null) return `${typeof value} ${String(value)}`;
  return value.constructor?.name ?? "an object";
}
