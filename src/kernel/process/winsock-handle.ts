import type { Socket } from "node:net";
import type { WinsockPort } from "../port/winsock-port.ts";
import { isSockaddrOf, SOCKADDR_BYTES } from "./winsock-address.ts";

/**
 * The last value tried: room for 16 times the sockets that a process of ours was seen with. Handle
 * values are multiples of 4, and low ones are reused first (Windows Internals, "Handles").
 */
const LAST_HANDLE = 1 << 20;
const STEP = 4;
/**
 * The walk ends when this many values behind the last known socket held no socket: the handles of a
 * big process lie close together.
 */
const GAP = 1 << 15;

const found = new WeakMap<Socket, number>();
const sockaddr = new Uint8Array(SOCKADDR_BYTES);
let lastFound = 0;

/**
 * Returns the SOCKET of a connected net.Socket, which Node does not show on Windows. Handle values
 * are walked until one has this local and this remote address; -1 when none has. A known handle is
 * confirmed by both addresses again, since its value may have been reused.
 */
export function socketHandleOf(port: WinsockPort, socket: Socket): number {
  const known = found.get(socket);
  if (known !== undefined && isSocketOf(port, known, socket)) return known;
  const handle = walk(port, socket);
  if (handle >= 0) found.set(socket, handle);
  return handle;
}

/** Tries the values right behind the last handle first: new handles lie there, or below it. */
function walk(port: WinsockPort, socket: Socket): number {
  let isSilentSince = 0;
  for (let handle = lastFound + STEP; handle <= lastFound + 64 * STEP; handle += STEP)
    if (isSocketOf(port, handle, socket)) return keep(handle);

  for (let handle = STEP; handle <= LAST_HANDLE; handle += STEP) {
    if (port.getsockname(handle, sockaddr) < 0) {
      if (handle > lastFound && handle - isSilentSince > GAP) return -1;
      continue;
    }
    isSilentSince = handle;
    if (isSocketOf(port, handle, socket)) return keep(handle);
  }
  return -1;
}

function keep(handle: number): number {
  lastFound = Math.max(lastFound, handle);
  return handle;
}

function isSocketOf(port: WinsockPort, handle: number, socket: Socket): boolean {
  const { localAddress, localPort, remoteAddress, remotePort } = socket;
  if (
    localAddress === undefined ||
    localPort === undefined ||
    remoteAddress === undefined ||
    remotePort === undefined
  )
    return false;
  if (port.getpeername(handle, sockaddr) < 0 || !isSockaddrOf(sockaddr, remoteAddress, remotePort))
    return false;
  return port.getsockname(handle, sockaddr) >= 0 && isSockaddrOf(sockaddr, localAddress, localPort);
}
