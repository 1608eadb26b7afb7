import type { TcpInfo } from "../../core/tcp-info.ts";
import { tcpStateOfBsd } from "./state-bsd.ts";

/**
 * Decodes struct tcp_info of FreeBSD (sys/netinet/tcp.h), laid out after Linux's but mostly empty:
 * unacked, probes and last_ack_recv are never filled there, so they are `undefined` and not 0.
 * Microseconds become ms here.
 */
export function decodeFreebsdTcpInfo(view: DataView, length: number): TcpInfo {
  const has = (end: number): boolean => length >= end;
  const u32 = (at: number): number => view.getUint32(at, true);
  return {
    state: tcpStateOfBsd(has(1) ? view.getUint8(0) : 0),
    rtoMs: has(12) ? u32(8) / 1000 : undefined,
    sendMssBytes: has(20) ? u32(16) : undefined,
    // tcpi_last_data_recv is microseconds there, unlike Linux (tcp_fill_info: ticks times tick).
    lastDataReceivedMs: has(56) ? u32(52) / 1000 : undefined,
    rttMs: has(72) ? u32(68) / 1000 : undefined,
    rttVarMs: has(76) ? u32(72) / 1000 : undefined,
    sendWindowBytes: has(104) ? u32(100) : undefined,
    totalRetransmits: has(124) ? u32(120) : undefined,
  };
}
