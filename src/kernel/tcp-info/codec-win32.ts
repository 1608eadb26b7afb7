import type { TcpInfo } from "../../core/tcp-info.ts";
import { tcpStateOfWin32 } from "./state-win32.ts";

/** Lengths of TCP_INFO_v0, v1 and v2 (Windows 10 1703, 1809, 11). */
export const TCP_INFO_BYTES = [88, 136, 152] as const;

/**
 * Decodes TCP_INFO_v0 to v2 (mstcpip.h). Windows counts bytes where Linux counts segments, and has
 * no age of the last ACK. Fields that Windows does not have are `undefined`.
 */
export function decodeWin32TcpInfo(view: DataView, length: number): TcpInfo {
  const has = (end: number): boolean => length >= end;
  const u32 = (at: number): number => view.getUint32(at, true);
  const u64 = (at: number): number => u32(at) + u32(at + 4) * 2 ** 32;
  const bytesInFlight = has(32) ? u32(28) : undefined;
  return {
    state: tcpStateOfWin32(has(4) ? u32(0) : 0),
    sendMssBytes: has(8) ? u32(4) : undefined,
    rttMs: has(24) ? u32(20) / 1000 : undefined,
    minRttMs: has(28) ? u32(24) / 1000 : undefined,
    bytesInFlight,
    sendWindowBytes: has(40) ? u32(36) : undefined,
    bytesAcked:
      has(56) && bytesInFlight !== undefined ? Math.max(0, u64(48) - bytesInFlight) : undefined,
    bytesReceived: has(64) ? u64(56) : undefined,
    bytesRetransmitted: has(72) ? u32(68) : undefined,
  };
}
