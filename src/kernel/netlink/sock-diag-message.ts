import { align } from "./netlink-message.ts";

/**
 * struct inet_diag_msg and its attributes as sock_diag sends them (include/uapi/linux/inet_diag.h).
 * No length from the kernel is trusted: every read stays inside the bytes of the message.
 */
export const INET_DIAG_MESSAGE_BYTES = 72;

export const STATE = 1;
export const TIMER = 2;
export const SOCKID = 4;
export const INTERFACE = 40; // in the sockid at 36
export const COOKIE = 44; // in the sockid at 40
export const EXPIRES_MS = 52;
export const SEND_QUEUE = 60;
export const USER_ID = 64;
export const INODE = 68;

const INFO = 2;
/** The shortest TCP_INFO of any kernel that has sock_diag (2.6.14). */
const SHORTEST_INFO_BYTES = 104;

/**
 * The place of the TCP_INFO in one message; 0 where the message has none. The object is reused from
 * message to message, since a dump may have 100,000.
 */
export interface Attributes {
  infoAt: number;
  infoBytes: number;
}

/**
 * Finds the attributes of the message at the bytes [start, end). Returns `false` for a message that
 * is too short or that its attributes overrun.
 */
export function findAttributes(
  words: Uint32Array,
  start: number,
  end: number,
  found: Attributes,
): boolean {
  found.infoAt = 0;
  found.infoBytes = 0;
  if (end > words.byteLength || end - start < INET_DIAG_MESSAGE_BYTES) return false;

  let at = start + INET_DIAG_MESSAGE_BYTES;
  while (at + 4 <= end) {
    // struct nlattr: length u16, type u16; aligned to words.
    const header = words[at >> 2] as number;
    const length = header & 0xffff;
    if (length < 4 || at + length > end) return false;

    const payloadBytes = length - 4;
    if (header >>> 16 === INFO && payloadBytes >= SHORTEST_INFO_BYTES) {
      found.infoAt = at + 4;
      found.infoBytes = payloadBytes;
    }
    at += align(length);
  }
  return true;
}
