import { EAGAIN, EBADMSG } from "../port/errno-linux.ts";
import type { SystemPort } from "../port/port.ts";

/**
 * The framing that all families of netlink share: include/uapi/linux/netlink.h. In host byte order:
 * both supported architectures are little endian.
 */
export const HEADER_BYTES = 16;
export const NLM_F_REQUEST = 1;
export const AF_NETLINK = 16;
export const NETLINK_ROUTE = 0;
export const NETLINK_SOCK_DIAG = 4;
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
const MSG_DONTWAIT = 0x40;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const MOST_TRIES = 8;

/** The outcome of one datagram: whether the answer ends with it, and with which errno. */
export interface Step {
  readonly isEnd: boolean;
  readonly errno: number;
}
const GO_ON: Step = { isEnd: false, errno: 0 };

/** The payload of a message, at [start, end) of its buffer. */
export interface Message {
  readonly type: number;
  readonly start: number;
  readonly end: number;
}

/**
 * Returns a descriptor, or -errno: a sandbox may refuse netlink. The socket belongs to the network
 * namespace of this thread.
 */
export function openNetlink(port: SystemPort, protocol: number): number {
  return port.socket(AF_NETLINK, SOCK_RAW_CLOEXEC, protocol);
}

/** Returns the length of the next datagram, or -errno; EAGAIN where there is none. Never waits. */
export function receive(port: SystemPort, fd: number, into: Uint8Array): number {
  return port.recv(fd, into, MSG_DONTWAIT);
}

/**
 * Sends one request and receives its answer in `into`. The kernel answers inside send(), so nothing
 * waits. Returns the first message, or the errno that the answer ends with: 0 for an
 * acknowledgement.
 */
export function request(
  port: SystemPort,
  fd: number,
  bytes: Uint8Array,
  sequence: number,
  into: Uint8Array,
): Message | { readonly errno: number } {
  const sent = port.send(fd, bytes, 0);
  if (sent < 0) return { errno: -sent };

  // An answer to an older request can only be left over from one that failed half way; skip it.
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const length = receive(port, fd, into);
    if (length < 0) return { errno: -length };

    const messages: Message[] = [];
    const { isEnd, errno } = walkMessages(into, length, sequence, (start, end, type) =>
      messages.push({ type, start, end }),
    );
    const [first] = messages;
    if (first) return first;
    if (isEnd) return { errno };
  }
  return { errno: EAGAIN };
}

/** Writes the header of a message that fills `bytes`. */
export function writeHeader(
  bytes: Uint8Array,
  type: number,
  flags: number,
  sequence: number,
): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  view.setUint32(0, bytes.length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, flags, true);
  view.setUint32(8, sequence, true);
}

/** Messages and attributes are aligned to words. */
export function align(length: number): number {
  return (length + 3) & ~3;
}

/**
 * Walks the messages of one datagram, which lies aligned to words. Skips those of other requests,
 * and checks every length.
 */
export function walkMessages(
  bytes: Uint8Array,
  length: number,
  sequence: number,
  onMessage: (start: number, end: number, type: number, flags: number) => void,
): Step {
  const limit = Math.min(length, bytes.length);
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
  let at = 0;

  while (at + HEADER_BYTES <= limit) {
    const first = at >> 2;
    const size = words[first] as number;
    if (size < HEADER_BYTES || at + size > limit) return { isEnd: true, errno: EBADMSG };

    if (words[first + 2] === sequence) {
      const kind = words[first + 1] as number;
      const type = kind & 0xffff;
      if (type === NLMSG_DONE || type === NLMSG_ERROR)
        return { isEnd: true, errno: errnoOf(words, at, size, type) };
      onMessage(at + HEADER_BYTES, at + size, type, kind >>> 16);
    }
    at += align(size);
  }
  return GO_ON;
}

/** DONE carries the dump's outcome, ERROR the refusal or, with 0, the acknowledgement. */
function errnoOf(words: Uint32Array, at: number, size: number, type: number): number {
  if (size >= HEADER_BYTES + 4) return 0 - ((words[(at + HEADER_BYTES) >> 2] as number) | 0);
  return type === NLMSG_DONE ? 0 : EBADMSG;
}
