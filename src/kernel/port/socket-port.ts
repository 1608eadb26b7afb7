/**
 * The calls that every OS has for one socket. They never throw for an OS error: a negative result
 * is -errno (-WSAGetLastError() on Windows). Every call is synchronous and takes microseconds. On
 * Windows a descriptor is a SOCKET, a handle value.
 */
export interface SocketPort {
  readonly backEnd: "node:ffi" | "koffi";
  /** Fills `value` and returns the length the kernel wrote. */
  getsockopt(fd: number, level: number, option: number, value: Uint8Array): number;
  setsockopt(fd: number, level: number, option: number, value: Uint8Array): number;
  /**
   * Reads and writes `argument` in place. Returns the bytes written where the OS reports them
   * (Windows), else 0.
   */
  ioctl(fd: number, request: number, argument: Uint8Array): number;
  /** Returns the descriptor. */
  socket(domain: number, type: number, protocol: number): number;
  close(fd: number): number;
}
