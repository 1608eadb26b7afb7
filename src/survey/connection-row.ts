import { isPastHandshake, type TcpInfo } from "../core/tcp-info.ts";
import { decodeTcpInfo } from "../kernel/tcp-info/codec-linux.ts";
import { SocketMessage } from "./socket-message.ts";

/**
 * Zero bytes that stand for the TCP_INFO of a socket without one. A field beyond them is read only
 * after its length was checked.
 */
export const ZERO_INFO_BYTES = 104;

/**
 * One socket of a survey with its evidence, TCP_INFO: a view that decodes a field when the field is
 * read, and that moves from row to row when its table is walked.
 */
export class ConnectionRow extends SocketMessage {
  index = -1;
  #infoAt = 0;
  #infoBytes = 0;
  #namespaceIndex = 0;

  /**
   * Moves to the message at `at`. The upper half of `info` is the distance from there to TCP_INFO,
   * the lower half the length of TCP_INFO. A socket without TCP_INFO reads the zeros at the
   * beginning of the block.
   */
  moveTo(
    bytes: Buffer,
    words: Uint32Array,
    index: number,
    at: number,
    info: number,
    namespaceIndex: number,
  ): void {
    this.bytes = bytes;
    this.words = words;
    this.index = index;
    this.at = at;
    this.#infoAt = info === 0 ? 0 : at + (info >>> 16);
    this.#infoBytes = info & 0xffff;
    this.#namespaceIndex = namespaceIndex;
  }

  get namespaceIndex(): number {
    return this.#namespaceIndex;
  }

  /** False for TIME_WAIT and NEW_SYN_RECV sockets: they carry no TCP_INFO. */
  get hasInfo(): boolean {
    return this.#infoBytes > 0;
  }

  get tcpInfo(): TcpInfo | null {
    const length = this.#infoBytes;
    if (length === 0) return null;
    return decodeTcpInfo(
      new DataView(this.bytes.buffer, this.bytes.byteOffset + this.#infoAt, length),
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

  /** 0 also on kernels before 4.6, which do not report it. */
  get notSentBytes(): number {
    return this.#laterInfoWord(INFO_NOT_SENT);
  }

  /**
   * Data segments sent since the connection began, retransmissions included. 0 on kernels before
   * 4.6, which do not report it.
   */
  get dataSegmentsOut(): number {
    return this.#laterInfoWord(INFO_DATA_SEGMENTS_OUT);
  }

  get totalRetransmits(): number {
    return this.#infoWord(INFO_TOTAL_RETRANSMITS);
  }

  /** Segments that the peer reported as received twice (RFC 3708). 0 on kernels before 4.19. */
  get duplicatesReported(): number {
    return this.#laterInfoWord(INFO_DUPLICATES_REPORTED);
  }

  /**
   * True when the last thing heard was an acknowledgment without data. Only an attempt of ours
   * provokes one; data the peer would have sent anyway.
   */
  get isLastHeardAnswer(): boolean {
    return this.#infoWord(INFO_LAST_ACK_RECEIVED) < this.#infoWord(INFO_LAST_DATA_RECEIVED);
  }

  /**
   * True when the timers prove that keepalive is off: an idle connection with keepalive runs its
   * keepalive timer (tcp_timer.c), and this one runs none. False proves nothing.
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
   * Time since the last data or ACK of the peer, ms. `null` without TCP_INFO, and before the peer
   * was ever heard: the kernel then reports its own uptime.
   */
  get heardAgeMs(): number | null {
    if (!this.hasInfo || !isPastHandshake(this.state)) return null;
    return Math.min(
      this.#infoWord(INFO_LAST_DATA_RECEIVED),
      this.#infoWord(INFO_LAST_ACK_RECEIVED),
    );
  }

  #infoByte(offset: number): number {
    return this.bytes[this.#infoAt + offset] ?? 0;
  }

  #infoWord(offset: number): number {
    return this.words[(this.#infoAt + offset) >> 2] ?? 0;
  }

  /** A word that older kernels do not report; 0 there. */
  #laterInfoWord(offset: number): number {
    return this.#infoBytes < offset + 4 ? 0 : this.#infoWord(offset);
  }
}

/** Offsets in struct tcp_info; kernel/tcp-info/codec-linux.ts has the full list. */
const INFO_RETRANSMITS = 2;
const INFO_PROBES = 3;
const INFO_BACKOFF = 4;
const INFO_RTO_US = 8;
const INFO_UNACKED = 24;
const INFO_LAST_DATA_RECEIVED = 52;
const INFO_LAST_ACK_RECEIVED = 56;
const INFO_RTT_US = 68;
const INFO_TOTAL_RETRANSMITS = 100;
const INFO_NOT_SENT = 144;
const INFO_DATA_SEGMENTS_OUT = 156;
const INFO_DUPLICATES_REPORTED = 216;
