import type { Socket } from "node:net";
import type { DenoHandle } from "../kernel/process/deno-descriptor.ts";
import { descriptorBehind } from "../kernel/process/descriptor.ts";
import { whyNoKernelEvidence } from "../kernel/tcp-info/kernel-evidence.ts";

/** The two ends of a connection; `undefined` where they are not known. */
export interface Endpoints {
  readonly localAddress: string | undefined;
  readonly localPort: number | undefined;
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
}

interface Endpoint {
  readonly address?: string;
  readonly port?: number;
}

interface Handle extends DenoHandle {
  readonly fd?: number;
  readonly reading?: boolean;
  getsockname?(into: Endpoint): number;
  getpeername?(into: Endpoint): number;
}

function handleOf(socket: Socket): Handle | null | undefined {
  return (socket as unknown as { _handle?: Handle | null })._handle;
}

/**
 * The descriptor behind the socket right now, -1 when closed, handed away, or when this system's
 * kernel would tell nothing of it.
 */
export function openDescriptor(socket: Socket): number {
  const handle = handleOf(socket);
  return handle && whyNoKernelEvidence() === null ? descriptorBehind(handle) : -1;
}

/** The socket still has the connection of descriptor `fd`: after a close that may be another's. */
export function holds(socket: Socket, fd: number): boolean {
  const handle = handleOf(socket);
  return handle?.fd === fd || (handle != null && descriptorBehind(handle) === fd);
}

/** `false` when closed, handed away, or not connected yet. */
export function hasHandle(socket: Socket): boolean {
  return handleOf(socket) != null;
}

/**
 * Whether the event loop reads from the socket; only then it learns of a reset by itself. After the
 * peer's FIN it reads no more.
 */
export function isReading(socket: Socket): boolean {
  return handleOf(socket)?.reading !== false && !hasSeenEnd(socket);
}

/** The peer's FIN was read, even though the program may not have consumed the end. */
export function hasSeenEnd(socket: Socket): boolean {
  return (
    (socket as unknown as { _readableState?: { ended?: boolean } })._readableState?.ended === true
  );
}

/**
 * Both ends of a socket, unknown before it is connected and after it closed. The socket's own
 * getters would keep two objects on it for good.
 */
export function endpointsOf(socket: Socket): Endpoints {
  const local: Endpoint = {};
  const remote: Endpoint = {};
  const handle = handleOf(socket);
  handle?.getsockname?.(local);
  handle?.getpeername?.(remote);
  return {
    localAddress: local.address,
    localPort: local.port,
    remoteAddress: remote.address,
    remotePort: remote.port,
  };
}

/** The code of the error with which the socket ended; its name where it has none; `null`: none. */
export function errorCodeOf(socket: Socket): string | null {
  const error = socket.errored as NodeJS.ErrnoException | null;
  return error && (error.code ?? error.name);
}
