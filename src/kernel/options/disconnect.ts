import type { SystemPort } from "../port/port.ts";

/** struct sockaddr with sa_family AF_UNSPEC (0). */
const NOWHERE = new Uint8Array(16);

/**
 * Ends a TCP connection through any descriptor of it, without privilege: connect(2) to AF_UNSPEC.
 * The peer gets an RST, a polling owner ECONNRESET, a blocked reader EPIPE (measured on 6.18).
 * Returns 0 or -errno: EBUSY on kernels 6.4 to 6.6 while another thread is blocked in the socket.
 */
export function disconnect(port: SystemPort, fd: number): number {
  return port.connect(fd, NOWHERE);
}
