import type { TcpInfo, TcpState } from "../core/tcp-info.ts";
import { endpointText } from "../kernel/ip-address.ts";
import { AF_INET, AF_INET6, type Family, formatIp, SOCKID_BYTES, SockDiagId } from "../kernel/sock-diag-id.ts";
import {
  EXPIRES_MS,
  INET_DIAG_MESSAGE_BYTES,
  INODE,
  RECEIVE_QUEUE,
  RETRANSMITS,
  SEND_QUEUE,
  SOCKID,
  STATE,
  TIMER,
  USER_ID,
} from "../kernel/sock-diag-message.ts";
import { decodeTcpInfo } from "../kernel/tcp-info-codec-linux.ts";
import { tcpStateOf } from "../kernel/tcp-state-linux.ts";

/** A row: inet_diag_msg as it came, then what was found among its attributes. */
export const ROW_CGROUP: number = INET_DIAG_MESSAGE_BYTES;
export const ROW_NAMESPACE: number = INET_DIAG_MESSAGE_BYTES + 8;
export const ROW_INFO_BYTES: number = INET_DIAG_MESSAGE_BYTES + 10;
export const ROW_INFO: number = INET_DIAG_MESSAGE_BYTES + 16;
/** Room for struct tcp_info of 6.18 (280 bytes); of a longer one the known part is kept. */
export const ROW_BYTES: number = ROW_INFO + 280;

/** Of struct inet_diag_sockid, from the row's start. */
const REMOTE_PORT = SOCKID + 2;
const SOURCE = SOCKID + 4;
const DESTINATION = SOCKID + 20;
const COOKIE = SOCKID + 40;

/** Of struct tcp_info, from the row's start; the full list is in kernel/tcp-info-codec-linux.ts. */
const INFO_RETRANSMITS = ROW_INFO + 2;
const INFO_PROBES = ROW_INFO + 3;
const INFO_BACKOFF = ROW_INFO + 4;
const INFO_RTO_US = ROW_INFO + 8;
const INFO_UNACKED = ROW_INFO + 24;
const INFO_RTT_US = ROW_INFO + 68;
const INFO_LAST_DATA_RECEIVED = ROW_INFO + 52;
const INFO_LAST_ACK_RECEIVED = ROW_INFO + 56;
const INFO_NOT_SENT = ROW_INFO + 144;

export type Timer = "off" | "retransmit" | "keepalive" | "time-wait" | "persist";
const TIMERS: readonly Timer[] = ["off", "retransmit", "keepalive", "time-wait", "persist"];

/** One socket of a survey. A view over bytes: it decodes what it is asked for, and moves on when its table is walked. */
export class ConnectionRow {
  index = -1;
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;

  moveTo(bytes: Buffer, at: number, index: number): void {
    this.#bytes = bytes;
    this.#at = at;
    this.index = index;
  }

  get family(): Family {
    return this.#bytes[this.#at] === AF_INET ? AF_INET : AF_INET6;
  }

  get state(): TcpState {
    return tcpStateOf(this.#u8(STATE));
  }

  get timer(): Timer {
    return TIMERS[this.#u8(TIMER)] ?? "off";
  }

  /** Until the timer fires, ms. */
  get timerExpiresMs(): number {
    return this.#u32(EXPIRES_MS);
  }

  /** Unanswered retransmissions or probes, whichever the timer is about. */
  get timerCount(): number {
    return this.#u8(RETRANSMITS);
  }

  /** Bytes that the program has not read; of a LISTEN socket: connections it has not accepted. */
  get receiveQueue(): number {
    return this.#u32(RECEIVE_QUEUE);
  }

  /** Bytes that the peer has not acknowledged; of a LISTEN socket: the longest backlog. */
  get sendQueue(): number {
    return this.#u32(SEND_QUEUE);
  }

  get userId(): number {
    return this.#u32(USER_ID);
  }

  /** 0 when no descriptor leads to the socket: it is the kernel's own, or orphaned. */
  get inode(): number {
    return this.#u32(INODE);
  }

  get localPort(): number {
    return this.#bytes.readUInt16BE(this.#at + SOCKID);
  }

  get remotePort(): number {
    return this.#bytes.readUInt16BE(this.#at + REMOTE_PORT);
  }

  get localAddress(): string {
    return formatIp(this.#bytes, this.#at + SOURCE, this.family);
  }

  get remoteAddress(): string {
    return formatIp(this.#bytes, this.#at + DESTINATION, this.family);
  }

  /** The remote address as the kernel holds it: 4 bytes, or 16. */
  get remoteBytes(): Uint8Array {
    return this.#address(DESTINATION);
  }

  get localBytes(): Uint8Array {
    return this.#address(SOURCE);
  }

  /** `address:port`, IPv6 in brackets. */
  get local(): string {
    return endpointText(this.localAddress, this.localPort);
  }

  get remote(): string {
    return endpointText(this.remoteAddress, this.remotePort);
  }

  /**
   * The cookie as a number, for maps. Exact below 2^53: the kernel counts cookies up from 1 (net/core/sock_diag.c), so that it is
   * not reached within a machine's life. What acts on a socket compares all 64 bits, see {@link id}.
   */
  get cookieKey(): number {
    return this.#u32(COOKIE) + this.#u32(COOKIE + 4) * 2 ** 32;
  }

  get cookieLow(): number {
    return this.#u32(COOKIE);
  }

  get cookieHigh(): number {
    return this.#u32(COOKIE + 4);
  }

  /** A copy of the socket's identity, to keep and to act on. */
  get id(): SockDiagId {
    const start = this.#at + SOCKID;
    return new SockDiagId(this.family, this.#bytes.subarray(start, start + SOCKID_BYTES));
  }

  /** The cgroup v2 id of the socket, which names its container; `null` where the kernel does not tell. */
  get cgroupId(): bigint | null {
    const id = this.#bytes.readBigUInt64LE(this.#at + ROW_CGROUP);
    return id === 0n ? null : id;
  }

  get namespaceIndex(): number {
    return this.#bytes.readUInt16LE(this.#at + ROW_NAMESPACE);
  }

  /** TIME_WAIT and NEW_SYN_RECV entries carry no TCP_INFO. */
  get hasInfo(): boolean {
    return this.#infoBytes > 0;
  }

  get tcpInfo(): TcpInfo | null {
    const length = this.#infoBytes;
    if (length === 0) return null;
    return decodeTcpInfo(new DataView(this.#bytes.buffer, this.#bytes.byteOffset + this.#at + ROW_INFO, length), length);
  }

  get retransmits(): number {
    return this.#u8(INFO_RETRANSMITS);
  }

  get probes(): number {
    return this.#u8(INFO_PROBES);
  }

  get backoff(): number {
    return this.#u8(INFO_BACKOFF);
  }

  /** The present retransmission timeout, ms. */
  get rtoMs(): number {
    return this.#u32(INFO_RTO_US) / 1000;
  }

  get rttMs(): number {
    return this.#u32(INFO_RTT_US) / 1000;
  }

  get unackedSegments(): number {
    return this.#u32(INFO_UNACKED);
  }

  /** 0 also on kernels before 4.6, which do not tell. */
  get notSentBytes(): number {
    return this.#u32(INFO_NOT_SENT);
  }

  /** Since the last data or ACK of the peer, ms; `null` without TCP_INFO. */
  get heardAgeMs(): number | null {
    if (!this.hasInfo) return null;
    return Math.min(this.#u32(INFO_LAST_DATA_RECEIVED), this.#u32(INFO_LAST_ACK_RECEIVED));
  }

  get #infoBytes(): number {
    return this.#bytes.readUInt16LE(this.#at + ROW_INFO_BYTES);
  }

  #address(offset: number): Uint8Array {
    const start = this.#at + offset;
    return this.#bytes.subarray(start, start + (this.family === AF_INET ? 4 : 16));
  }

  #u8(offset: number): number {
    return this.#bytes[this.#at + offset] ?? 0;
  }

  #u32(offset: number): number {
    return this.#bytes.readUInt32LE(this.#at + offset);
  }
}
