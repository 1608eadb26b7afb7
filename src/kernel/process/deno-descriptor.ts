import { EBADF } from "../port/errno-linux.ts";
import { openPort } from "../port/open-port.ts";
import { SO_COOKIE, SOL_SOCKET } from "../port/platform-linux.ts";
import type { SystemPort } from "../port/port.ts";

/**
 * Deno's handle of a connection. Where Node has `fd`, it gives a duplicate of the descriptor, meant
 * to be sent to another process.
 */
export interface DenoHandle {
  fdForIpc?(): number;
  /** The connection's handle, on a TLS handle. */
  readonly _parent?: DenoHandle | null;
}

/**
 * The search upwards ends after this many closed descriptors in a row: the kernel always takes the
 * lowest free number first.
 */
const GAP = 1024;

const known = new WeakMap<DenoHandle, number>();
const cookie = new BigUint64Array(1);
const cookieBytes = new Uint8Array(cookie.buffer);

/**
 * Returns the descriptor of a connection under Deno on Linux: the one that means the same socket as
 * the duplicate, which is closed at once. It stays the connection's as long as its net.Socket has
 * the handle. Returns -1 on every other runtime, and before the connection exists.
 */
export function denoDescriptorOf(handle: DenoHandle): number {
  const stream = handle.fdForIpc ? handle : handle._parent;
  if (!stream?.fdForIpc) return -1;
  const found = known.get(stream);
  if (found !== undefined) return found;

  const port = openPort();
  const duplicate = port ? stream.fdForIpc() : -1;
  if (!port || duplicate < 0) return -1;
  try {
    const descriptor = originalOf(port, duplicate);
    if (descriptor >= 0) known.set(stream, descriptor);
    return descriptor;
  } finally {
    port.close(duplicate);
  }
}

function originalOf(port: SystemPort, duplicate: number): number {
  const wanted = cookieOf(port, duplicate);
  if (typeof wanted !== "bigint") return -1;

  // A new connection has one of the last numbers before its duplicate.
  for (let descriptor = duplicate - 1; descriptor >= 0; descriptor--)
    if (cookieOf(port, descriptor) === wanted) return descriptor;
  for (let descriptor = duplicate + 1, closed = 0; closed < GAP; descriptor++) {
    const seen = cookieOf(port, descriptor);
    if (seen === wanted) return descriptor;
    closed = seen === -EBADF ? closed + 1 : 0;
  }
  return -1;
}

/** Returns the cookie of a socket; -errno where the descriptor has none. */
function cookieOf(port: SystemPort, descriptor: number): bigint | number {
  const result = port.getsockopt(descriptor, SOL_SOCKET, SO_COOKIE, cookieBytes);
  return result < 0 ? result : (cookie[0] ?? 0n);
}
