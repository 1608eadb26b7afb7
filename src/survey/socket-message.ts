import type { TcpState } from "../core/tcp-info.ts";
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
  INTERFACE,
  SEND_QUEUE,
  SOCKID,
  STATE,
  TIMER,
  USER_ID,
} from "../kernel/netlink/sock-diag-message.ts";
import { COOKIE_BYTES } from "../kernel/port/platform-linux.ts";
import { tcpStateOf } from "../kernel/tcp-info/state-linux.ts";

/**
 * One socket as sock_diag identifies and describes it: struct inet_diag_msg
 * (include/uapi/linux/inet_diag.h). A view over the kernel's bytes: it decodes a field when the
 * field is read. The evidence in TCP_INFO follows in ConnectionRow.
 */
export class SocketMessage {
  protected bytes: Buffer = Buffer.alloc(0);
  /** The same memory in words: netlink aligns messages and attributes to words. */
  protected words: Uint32Array = new Uint32Array(0);
  /** The message's first byte. */
  protected at = 0;

  get family(): Family {
    return this.bytes[this.at] === AF_INET ? AF_INET : AF_INET6;
  }

  get state(): TcpState {
    return tcpStateOf(this.#u8(STATE));
  }

  get timer(): Timer {
    return TIMERS[this.#u8(TIMER)] ?? "off";
  }

  /** Time until the timer fires, ms. */
  get timerExpiresMs(): number {
    return this.#u32(EXPIRES_MS);
  }

  /** Bytes that the peer has not acknowledged; the longest backlog of a LISTEN socket. */
  get sendQueue(): number {
    return this.#u32(SEND_QUEUE);
  }

  /** The interface that the socket is bound to; 0: none. */
  get interfaceIndex(): number {
    return this.#u32(INTERFACE);
  }

  get userId(): number {
    return this.#u32(USER_ID);
  }

  /** 0 when no descriptor leads to the socket: the socket is the kernel's own, or orphaned. */
  get inode(): number {
    return this.#u32(INODE);
  }

  get localPort(): number {
    return this.bytes.readUInt16BE(this.at + SOCKID);
  }

  get remotePort(): number {
    return this.bytes.readUInt16BE(this.at + REMOTE_PORT);
  }

  get localAddress(): string {
    return formatIp(this.bytes, this.at + SOURCE, this.family);
  }

  get remoteAddress(): string {
    return formatIp(this.bytes, this.at + DESTINATION, this.family);
  }

  /** The remote address as the kernel holds it: 4 bytes, or 16. */
  get remoteBytes(): Uint8Array {
    const start = this.at + DESTINATION;
    return this.bytes.subarray(start, start + (this.family === AF_INET ? 4 : 16));
  }

  /** `address:port`, IPv6 in brackets. */
  get local(): string {
    return this.#endpoint(SOURCE, this.localPort);
  }

  get remote(): string {
    return this.#endpoint(DESTINATION, this.remotePort);
  }

  /**
   * The cookie as a number, for maps. Exact below 2^53, which no machine reaches in its life: the
   * kernel counts cookies up from 1 (net/core/sock_diag.c). Code that acts on a socket compares all
   * 64 bits, see {@link id}.
   */
  get cookieKey(): number {
    return this.#u32(COOKIE) + this.#u32(COOKIE + 4) * 2 ** 32;
  }

  /** The cookie as SO_COOKIE returns it. The view stays with its socket when this one moves on. */
  get cookieBytes(): Uint8Array {
    const start = this.at + COOKIE;
    return this.bytes.subarray(start, start + COOKIE_BYTES);
  }

  /** A copy of the socket's identity, to keep and to act on. */
  get id(): SockDiagId {
    const start = this.at + SOCKID;
    return new SockDiagId(this.family, this.bytes.subarray(start, start + SOCKID_BYTES));
  }

  #endpoint(offset: number, port: number): string {
    const start = this.at + offset;
    if (this.family !== AF_INET) return endpointText(formatIp(this.bytes, start, AF_INET6), port);

    // An audit does this 200,000 times, so the text is made in one piece.
    const { bytes } = this;
    return `${bytes[start]}.${bytes[start + 1]}.${bytes[start + 2]}.${bytes[start + 3]}:${port}`;
  }

  #u8(offset: number): number {
    return this.bytes[this.at + offset] ?? 0;
  }

  #u32(offset: number): number {
    return this.words[(this.at + offset) >> 2] ?? 0;
  }
}

export type Timer = "off" | "retransmit" | "keepalive" | "time-wait" | "persist";
const TIMERS: readonly Timer[] = ["off", "retransmit", "keepalive", "time-wait", "persist"];

/** Offsets of struct inet_diag_sockid, from the message's start. */
const REMOTE_PORT = SOCKID + 2;
const SOURCE = SOCKID + 4;
const DESTINATION = SOCKID + 20;
