import { errnoName } from "../port/errno-linux.ts";
import { openPort } from "../port/open-port.ts";
import { SO_ERROR, SOL_SOCKET } from "../port/platform-linux.ts";
import { readInt } from "../port/socket-option.ts";

/** include/uapi/asm-generic/poll.h */
const POLLERR = 8;
/** struct pollfd { int fd; short events; short revents; } */
const descriptor = new Uint8Array(8);
const view = new DataView(descriptor.buffer);

/**
 * Returns whether a socket has an error that its program has not read (Linux). The error stays
 * pending. tcp_poll (net/ipv4/tcp.c) reports POLLERR when sk_err is set, and also for the error
 * queue, so the caller checks the connection's state too.
 */
export function hasSocketError(fd: number): boolean {
  view.setInt32(0, fd, true);
  view.setInt32(4, 0, true);
  const port = openPort();
  return port !== null && port.poll(descriptor) > 0 && (view.getInt16(6, true) & POLLERR) !== 0;
}

/**
 * Removes the pending error and returns its name; `null` without one. A program that reads the
 * socket afterwards sees an orderly end.
 */
export function takeSocketError(fd: number): string | null {
  const errno = readInt(fd, SOL_SOCKET, SO_ERROR, "SO_ERROR") ?? 0;
  return errno === 0 ? null : errnoName(errno);
}
