import type { TcpInfo } from "../../core/tcp-info.ts";
import { tcpStateOfBsd } from "./state-bsd.ts";

/**
 * Decodes struct tcp_connection_info (xnu bsd/netinet/tcp.h, 112 bytes). Its times are ms. It has
 * no age of the last ACK.
 */
export function decodeDarwinTcpInfo(view: DataView, length: number): TcpInfo {
  const has = (end: number): boolean => length >= end;
  const u32 = (at: number): number => view.getUint32(at, true);
  const u64 = (at: number): number => u32(at) + u32(at + 4) * 2 ** 32;
  return {
    state: tcpStateOfBsd(has(1) ? view.getUint8(0) : 0),
    rtoMs: has(16) ? u32(12) : undefined,
    sendMssBytes: has(20) ? u32(16) : undefined,
    sendWindowBytes: has(32) ? u32(28) : undefined,
    rttMs: has(48) ? u32(44) : undefined,
    rttVarMs: has(52) ? u32(48) : undefined,
    segmentsOut: has(64) ? u64(56) : undefined,
    bytesRetransmitted: has(80) ? u64(72) : undefined,
    segmentsIn: has(88) ? u64(80) : undefined,
    bytesReceived: has(96) ? u64(88) : undefined,
    totalRetransmits: has(112) ? u64(104) : undefined,
  };
}
