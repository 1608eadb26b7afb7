import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { DenoHandle } from "../kernel/process/deno-descriptor.ts";
import { descriptorBehind } from "../kernel/process/descriptor.ts";
import { whyNoKernelEvidence } from "../kernel/tcp-info/kernel-evidence.ts";

/** The two ends of a connection; `undefined` if not known. */
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
  /** The socket whose handle this one, a TLSSocket's, is put over. */
  readonly _parentWrap?: unknown;
  getsockname?(into: Endpoint): number;
  getpeername?(into: Endpoint): number;
}

function handleOf(socket: Socket): Handle | null | undefined {
  return (socket as unknown as { _handle?: Handle | null } | null)?._handle;
}

/** Returns the socket that a TLSSocket was put over (`tls.connect({ socket })`), if any. */
export function beneath(socket: Socket): Socket | null {
  const { _parent: parent } = socket as unknown as { readonly _parent?: unknown };
  return parent instanceof Socket ? parent : null;
}

/**
 * Returns whether a TLSSocket has the descriptor of the socket beneath it. One that was put over a
 * socket before its `connect` call reads from it as from any stream.
 */
export function sharesDescriptor(socket: Socket): boolean {
  return handleOf(socket)?._parentWrap === beneath(socket);
}

/**
 * Returns the descriptor behind the socket. Returns -1 if the socket is closed or handed away, or
 * if this system gives no kernel evidence.
 */
export function openDescriptor(socket: Socket): number {
  const handle = handleOf(socket);
  return handle && whyNoKernelEvidence() === null ? descriptorBehind(handle) : -1;
}

/**
 * Returns whether the socket still holds the connection of descriptor `fd`. After a close that
 * number may be another's.
 */
export function holds(socket: Socket, fd: number): boolean {
  const handle = handleOf(socket);
  return handle?.fd === fd || (handle != null && descriptorBehind(handle) === fd);
}

/** Returns `false` if the socket is closed, handed away, or not connected yet. */
export function hasHandle(socket: Socket): boolean {
  return isBareStream(socket) ? !socket.destroyed : handleOf(socket) != null;
}

/** Returns whether a stream is no socket: it has no handle, and had none. */
export function isBareStream(stream: Socket): boolean {
  return handleOf(stream) === undefined && !(stream instanceof Socket);
}

/** Returns whether a value has the members of a Duplex. Other packages have their own classes. */
export function isDuplex(value: unknown): value is Duplex {
  const { on, emit, write, push, destroy } = (value ?? {}) as Partial<Duplex>;
  return [on, emit, write, push, destroy].every((member) => typeof member === "function");
}

/**
 * Returns whether the event loop reads from the socket. Only then does it notice a reset by itself.
 * After the peer's FIN it reads no more.
 */
export function isReading(socket: Socket): boolean {
  if (hasSeenEnd(socket)) return false;
  // A stream that is no socket is read until its buffer is full
  if (isBareStream(socket)) return !isFull(socket);
  return handleOf(socket)?.reading !== false;
}

function isFull({ readableLength, readableHighWaterMark }: Duplex): boolean {
  return readableLength >= readableHighWaterMark;
}

/** Returns whether the peer's FIN was read, even if the program has not consumed the end yet. */
export function hasSeenEnd(socket: Socket): boolean {
  return (
    (socket as unknown as { _readableState?: { ended?: boolean } })._readableState?.ended === true
  );
}

/**
 * Returns both ends of a socket; they are unknown before it is connected and after it has closed.
 * Reads the handle, because the socket's own getters would keep two objects on it for good.
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

/** Returns the code of the error that ended the socket, else the error's name; `null`: no error. */
export function errorCodeOf(socket: Socket): string | null {
  const error = socket.errored as NodeJS.ErrnoException | null;
  return error && (error.code ?? error.name);
}
