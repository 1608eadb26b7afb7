/** The same number on every OS. */
export const IPPROTO_TCP = 6;
/**
 * include/uapi/asm-generic/socket.h. The cookie (Linux >= 4.12): 64 bits that no other socket of
 * this boot has.
 */
export const SOL_SOCKET = 1;
export const SO_COOKIE = 57;
export const COOKIE_BYTES = 8;
export const SO_ERROR = 4;
export const SO_PROTOCOL = 38;
/** include/uapi/linux/in.h */
export const IPPROTO_MPTCP = 262;
/**
 * What only Linux has, or what code for Linux alone sets; the rest is in platform.ts. Seconds, 1 to
 * 32767.
 */
export const TCP_KEEPIDLE = 4;
/** Milliseconds, 1000 to 120000. Linux >= 6.15. */
export const TCP_RTO_MAX_MS = 44;
