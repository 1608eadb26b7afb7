/**
 * The few calls through which halfopen talks to the OS. Two back-ends fill it: node:ffi and koffi.
 * Calls never throw for an OS error: a negative result is -errno (on Windows: -WSAGetLastError()), so that the caller
 * can say which value was refused. Every call is synchronous and takes microseconds.
 */
export interface SystemPort {
  readonly backEnd: "node:ffi" | "koffi";
  /** Fills `value` and returns the length the kernel wrote. */
  getsockopt(fd: number, level: number, option: number, value: Uint8Array): number;
  setsockopt(fd: number, level: number, option: number, value: Uint8Array): number;
  /** `argument` is read and written in place. */
  ioctl(fd: number, request: number, argument: Uint8Array): number;
  /** Returns the descriptor. */
  socket(domain: number, type: number, protocol: number): number;
  bind(fd: number, address: Uint8Array): number;
  /** `connect(2)`; with AF_UNSPEC in `address` it takes a TCP connection down. */
  connect(fd: number, address: Uint8Array): number;
  send(fd: number, data: Uint8Array, flags: number): number;
  recv(fd: number, into: Uint8Array, flags: number): number;
  close(fd: number): number;
  pidfdOpen(pid: number, flags: number): number;
  pidfdGetfd(pidfd: number, targetFd: number, flags: number): number;
  setns(fd: number, nsType: number): number;
}
