/** include/uapi/asm-generic/socket.h and linux/tcp.h; the same on x86_64 and arm64. Units are the kernel's own. */
export const SOL_SOCKET = 1;
export const SO_KEEPALIVE = 9;
export const SO_LINGER = 13;
export const IPPROTO_TCP = 6;
/** Seconds, 1 to 32767. */
export const TCP_KEEPIDLE = 4;
/** Seconds, 1 to 32767. */
export const TCP_KEEPINTVL = 5;
/** 1 to 127. */
export const TCP_KEEPCNT = 6;
export const TCP_INFO = 11;
/** Milliseconds, unlike TCP_KEEPIDLE and TCP_KEEPINTVL. */
export const TCP_USER_TIMEOUT = 18;
/** Milliseconds, 1000 to 120000. Linux >= 6.15. */
export const TCP_RTO_MAX_MS = 44;
