import type { SocketPort } from "./socket-port.ts";

/**
 * The few calls through which halfopen reaches Linux. Two back-ends implement them: node:ffi and
 * koffi.
 */
export interface SystemPort extends SocketPort {
  bind(fd: number, address: Uint8Array): number;
  /** Fills `into` with the socket's own address and returns its length. */
  getsockname(fd: number, into: Uint8Array): number;
  /** `connect(2)`; with AF_UNSPEC in `address` it takes a TCP connection down. */
  connect(fd: number, address: Uint8Array): number;
  send(fd: number, data: Uint8Array, flags: number): number;
  recv(fd: number, into: Uint8Array, flags: number): number;
  /** `poll(2)` of one `struct pollfd`, without waiting. Returns 1 when it has an event, else 0. */
  poll(descriptor: Uint8Array): number;
  pidfdOpen(pid: number, flags: number): number;
  pidfdGetfd(pidfd: number, targetFd: number, flags: number): number;
  /**
   * Reads a link. `name`, ended by a zero byte, is relative to the opened folder. A target that
   * does not fit is cut off.
   */
  readlinkat(folder: number, name: Uint8Array, into: Uint8Array): number;
  setns(fd: number, nsType: number): number;
  prctl(option: number, argument: number): number;
  /** `waitid(2)`; fills a siginfo_t. */
  waitid(idType: number, id: number, info: Uint8Array, options: number): number;
}
