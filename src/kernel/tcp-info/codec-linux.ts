import type { TcpInfo } from "../../core/tcp-info.ts";
import { tcpStateOf } from "./state-linux.ts";

/**
 * Decodes struct tcp_info (include/uapi/linux/tcp.h) of any length the kernel gave: 104 bytes on
 * 2.6 up to 280 on 6.18, measured. Fields beyond the end are `undefined`. Microseconds become ms
 * here and nowhere else.
 */
export function decodeTcpInfo(view: DataView, length: number): TcpInfo {
  const has = (end: number): boolean => length >= end;
  const u32 = (at: number): number => view.getUint32(at, true);
  const u64 = (at: number): number =>
    view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
  return {
    state: tcpStateOf(has(1) ? view.getUint8(0) : 0),
    congestionState: has(2) ? view.getUint8(1) : undefined,
    retransmits: has(3) ? view.getUint8(2) : undefined,
    probes: has(4) ? view.getUint8(3) : undefined,
    backoff: has(5) ? view.getUint8(4) : undefined,
    rtoMs: has(12) ? u32(8) / 1000 : undefined,
    sendMssBytes: has(20) ? u32(16) : undefined,
    unackedSegments: has(28) ? u32(24) : undefined,
    sackedSegments: has(32) ? u32(28) : undefined,
    retransmittedSegments: has(40) ? u32(36) : undefined,
    lastDataSentMs: has(48) ? u32(44) : undefined,
    lastDataReceivedMs: has(56) ? u32(52) : undefined,
    lastAckReceivedMs: has(60) ? u32(56) : undefined,
    rttMs: has(72) ? u32(68) / 1000 : undefined,
    rttVarMs: has(76) ? u32(72) / 1000 : undefined,
    totalRetransmits: has(104) ? u32(100) : undefined,
    bytesAcked: has(128) ? u64(120) : undefined,
    bytesReceived: has(136) ? u64(128) : undefined,
    segmentsOut: has(140) ? u32(136) : undefined,
    segmentsIn: has(144) ? u32(140) : undefined,
    notSentBytes: has(148) ? u32(144) : undefined,
    minRttMs: has(152) ? u32(148) / 1000 : undefined,
    dataSegmentsIn: has(156) ? u32(152) : undefined,
    dataSegmentsOut: has(160) ? u32(156) : undefined,
    deliveredSegments: has(196) ? u32(192) : undefined,
    bytesSent: has(208) ? u64(200) : undefined,
    bytesRetransmitted: has(216) ? u64(208) : undefined,
    dsackDuplicates: has(220) ? u32(216) : undefined,
    outOfOrderSegmentsIn: has(228) ? u32(224) : undefined,
    sendWindowBytes: has(232) ? u32(228) : undefined,
  };
}
