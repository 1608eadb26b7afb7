import { isPastHandshake, type TcpInfo, type TcpState } from "../core/tcp-info.ts";
import { endpointText } from "../kernel/netlink/ip-address.ts";
import {
  AF_INET,
  AF_INET6,
  type Family,
  formatIp,
  SOCKID_BYTES,
  SockDiagId,
} from "../kernel/netlink/sock-diag-id.ts";
import {
  COOKIE,
  EXPIRES_MS,
  INODE,
  SEND_QUEUE,
  SOCKID,
  STATE,
  TIMER,
  USER_ID,
} from "../kernel/netlink/sock-diag-message.ts";
import { COOKIE_BYTES } from "../kernel/port/platform-linux.ts";
import { decodeTcpInfo } from "../kernel/tcp-info/codec-linux.ts";
import { tcpStateOf } from "../kernel/tcp-info/state-linux.ts";

/**
 * So many zeros stand for the TCP_INFO of a socket that has none; nothing beyond is read without a
 * look at the length.
 */
export const ZERO_INFO_BYTES = 104;

/** Of struct inet_diag_sockid, from the message's start. */
const REMOTE_PORT = SOCKID + 2;
const SOURCE = SOCKID + 4;
const DESTINATION = SOCKID + 20;

/** Of struct tcp_info; the full list is in kernel/tcp-info/codec-linux.ts. */
const INFO_RETRANSMITS = 2;
const INFO_PROBES = 3;
const INFO_BACKOFF = 4;
const INFO_RTO_US = 8;
const INFO_UNACKED = 24;
const INFO_RTT_US = 68;
const INFO_LAST_DATA_RECEIVED = 52;
const INFO_LAST_ACK_RECEIVED = 56;
const INFO_TOTAL_RETRANSMITS = 100;
const INFO_NOT_SENT = 144;
const INFO_DATA_SEGMENTS_OUT = 156;
const INFO_DUPLICATES_REPORTED = 216;

export type Timer = "off" | "retransmit" | "keepalive" | "time-wait" | "persist";
const TIMERS: readonly Timer[] = ["off", "retransmit", "keepalive", "time-wait", "persist"];

/**
 * One socket of a survey. A view over bytes: it decodes what it is asked for, and moves on when its
 * table is walked.
 */
export class ConnectionRow {
  index = -1;
  #bytes: Buffer = Buffer.alloc(0);
  #words: Uint32Array = new Uint32Array(0);
  #at = 0;
  #infoAt = 0;
  #infoBytes = 0;
  #namespaceIndex = 0;

  /**
   * Moves to the message at `at`. `info`: where its TCP_INFO lies from there, and its length in the
   * lower half. A socket without TCP_INFO reads the zeros at the beginning of the block.
   */
  moveTo(
    bytes: Buffer,
    words: Uint32Array,
    index: number,
    at: number,
    info: number,
    namespaceIndex: number,
  ): void {
    this.#bytes = bytes;
    this.#words = words;
    this.index = index;
    this.#at = at;
    this.#infoAt = info === 0 ? 0 : at + (info >>> 16);
    this.#infoBytes = info & 0xffff;
    this.#namespaceIndex = namespaceIndex;
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
    const start = this.#at + DESTINATION;
    return this.#bytes.subarray(start, start + (this.family === AF_INET ? 4 : 16));
  }

  /** `address:port`, IPv6 in brackets. */
  get local(): string {
    return this.#endpoint(SOURCE, this.localPort);
  }

  get remote(): string {
    return this.#endpoint(DESTINATION, this.remotePort);
  }

  /**
   * The cookie as a number, for maps. Exact below 2^53: the kernel counts cookies up from 1
   * (net/core/sock_diag.c), so that it is not reached within a machine's life. What acts on a
   * socket compares all 64 bits, see {@link id}.
   */
  get cookieKey(): number {
    return this.#u32(COOKIE) + this.#u32(COOKIE + 4) * 2 ** 32;
  }

  /** The cookie as SO_COOKIE tells it: a view that stays with its row when this one moves on. */
  get cookieBytes(): Uint8Array {
    const start = this.#at + COOKIE;
    return this.#bytes.subarray(start, start + COOKIE_BYTES);
  }

  /** A copy of the socket's identity, to keep and to act on. */
  get id(): SockDiagId {
    const start = this.#at + SOCKID;
    return new SockDiagId(this.family, this.#bytes.subarray(start, start + SOCKID_BYTES));
  }

  get namespaceIndex(): number {
    return this.#namespaceIndex;
  }

  /** TIME_WAIT and NEW_SYN_RECV entries carry no TCP_INFO. */
  get hasInfo(): boolean {
    return this.#infoBytes > 0;
  }

  get tcpInfo(): TcpInfo | null {
    const length = this.#infoBytes;
    if (length === 0) return null;
    return decodeTcpInfo(
      new DataView(this.#bytes.buffer, this.#bytes.byteOffset + this.#infoAt, length),
      length,
    );
  }

  get retransmits(): number {
    return this.#infoByte(INFO_RETRANSMITS);
  }

  get probes(): number {
    return this.#infoByte(INFO_PROBES);
  }

  get backoff(): number {
    return this.#infoByte(INFO_BACKOFF);
  }

  /** The present retransmission timeout, ms. */
  get rtoMs(): number {
    return this.#infoWord(INFO_RTO_US) / 1000;
  }

  get rttMs(): number {
    return this.#infoWord(INFO_RTT_US) / 1000;
  }

  get unackedSegments(): number {
    return this.#infoWord(INFO_UNACKED);
  }

  /** 0 also on kernels before 4.6, which do not tell. */
  get notSentBytes(): number {
    return this.#laterInfoWord(INFO_NOT_SENT);
  }

  /**
   * Data segments sent since the connection began, those sent again among them; 0 on kernels before
   * 4.6, which do not tell.
   */
  get dataSegmentsOut(): number {
    return this.#laterInfoWord(INFO_DATA_SEGMENTS_OUT);
  }

  get totalRetransmits(): number {
    return this.#infoWord(INFO_TOTAL_RETRANSMITS);
  }

  /** Segments that the peer says it got twice (RFC 3708); 0 before 4.19. */
  get duplicatesReported(): number {
    return this.#laterInfoWord(INFO_DUPLICATES_REPORTED);
  }

  /**
   * The last thing heard was an acknowledgment without data: an answer to us, and nothing the peer
   * would have sent anyway.
   */
  get isLastHeardAnswer(): boolean {
    return this.#infoWord(INFO_LAST_ACK_RECEIVED) < this.#infoWord(INFO_LAST_DATA_RECEIVED);
  }

  /**
   * Keepalive is off: an idle connection runs its keepalive timer if it has one (tcp_timer.c), and
   * this one runs none. Of any other the timer does not tell.
   */
  get isSeenWithoutKeepalive(): boolean {
    return (
      this.hasInfo &&
      this.timer === "off" &&
      this.state !== "LISTEN" &&
      this.unackedSegments === 0 &&
      this.sendQueue === 0
    );
  }

  /**
   * Since the last data or ACK of the peer, ms; `null` without TCP_INFO, and where no peer was
   * heard yet: there the kernel tells its uptime.
   */
  get heardAgeMs(): number | null {
    if (!this.hasInfo || !isPastHandshake(this.state)) return null;
    return Math.min(
      this.#infoWord(INFO_LAST_DATA_RECEIVED),
      this.#infoWord(INFO_LAST_ACK_RECEIVED),
    );
  }

  #endpoint(offset: number, port: number): string {
    const at = this.#at + offset;
    if (this.family !== AF_INET) return endpointText(formatIp(this.#bytes, at, AF_INET6), port);
    const bytes = this.#bytes;
    // 200,000 times an audit: in one piece
    return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}:${port}`;
  }

  #u8(offset: number): number {
    return this.#bytes[this.#at + offset] ?? 0;
  }

  /** Netlink aligns messages and attributes to words. */
  #u32(offset: number): number {
    return this.#words[(this.#at + offset) >> 2] ?? 0;
  }

  #infoByte(offset: number): number {
    return this.#bytes[this.#infoAt + offset] ?? 0;
  }

  #infoWord(offset: number): number {
    return this.#words[(this.#infoAt + offset) >> 2] ?? 0;
  }

  /** Of what not every kernel tells; 0 where it does not. */
  #laterInfoWord(offset: number): number {
    return this.#infoBytes < offset + 4 ? 0 : this.#infoWord(offset);
  }
}
