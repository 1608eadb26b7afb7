import { openedWinsock } from "../port/open-socket-port.ts";

/** mstcpip.h: _WSAIOW(IOC_VENDOR, 4). */
const SIO_KEEPALIVE_VALS = 0x9800_0004;
/** Fixed since Windows Vista (Microsoft, "SIO_KEEPALIVE_VALS control code"). */
export const FIXED_COUNT = 10;

export interface KeepaliveVals {
  readonly enabled: boolean;
  readonly idleMs: number;
  readonly intervalMs: number;
}

/** struct tcp_keepalive { u_long onoff, keepalivetime, keepaliveinterval }, times in ms. */
export function encodeKeepaliveVals({ enabled, idleMs, intervalMs }: KeepaliveVals): Uint8Array {
  const bytes = new Uint8Array(12);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, enabled ? 1 : 0, true);
  view.setUint32(4, idleMs, true);
  view.setUint32(8, intervalMs, true);
  return bytes;
}

/**
 * Sets keepalive by ioctl. Returns 0, or -WSAGetLastError(). Windows does not report what it then
 * holds, so the caller remembers the values.
 */
export function applyKeepaliveVals(socket: number, vals: KeepaliveVals): number {
  const result =
    openedWinsock()?.ioctl(socket, SIO_KEEPALIVE_VALS, encodeKeepaliveVals(vals)) ?? -1;
  return Math.min(0, result);
}
