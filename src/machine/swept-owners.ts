import { type ConnectionOptions, KEEPALIVE_OFF, type OptionsWanted } from "../kernel/connection-options.ts";
import type { SweptSocket } from "../kernel/swept-socket.ts";
import type { SweptSockets } from "../kernel/swept-sockets.ts";
import type { InodeIndex } from "./inode-index.ts";
import type { OwnerTable } from "./owner-table.ts";

const EBADF = 9;

/** Enters what a sweep told, as a search of the descriptors would have found it. */
export function enterSwept(sockets: SweptSockets, index: InodeIndex, into: OwnerTable, wanted: OptionsWanted): void {
  // Most sockets of a machine are set as the one before.
  let last: { readonly socket: SweptSocket; readonly options: ConnectionOptions } | null = null;
  sockets.forEach((socket) => {
    const { pid } = socket;
    const row = index.rowOf(socket.inode);
    if (row < 0 || pid === 0 || !into.isBetterOwner(row, pid)) return;
    // Another socket by now, or one that stands for several (MPTCP).
    if (!index.isCookieOf(row, socket.cookieLow, socket.cookieHigh)) into.set(row, pid, socket.fd, EBADF);
    else {
      if (!last?.socket.isSetLike(socket)) last = { socket: socket.copy(), options: optionsOf(socket, wanted) };
      into.set(row, pid, socket.fd, last.options);
    }
  });
}

function optionsOf(socket: SweptSocket, wanted: OptionsWanted): ConnectionOptions {
  const isTold = wanted === "all" || socket.isKeepaliveOn;
  return {
    keepalive: isTold ? socket.keepalive : KEEPALIVE_OFF,
    userTimeoutMs: socket.userTimeoutMs,
    rtoMaxMs: socket.rtoMaxMs,
  };
}
