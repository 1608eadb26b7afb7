// Numbers that only Linux has, or that code for Linux alone uses. platform.ts has the rest.

/** The same number on every OS. */
export const IPPROTO_TCP = 6;
/** include/uapi/asm-generic/socket.h */
export const SOL_SOCKET = 1;
/** 64 bits that no other socket of this boot has. Linux >= 4.12. */
export const SO_COOKIE = 57;
export const COOKIE_BYTES = 8;
export const SO_ERROR = 4;
export const SO_RCVBUF = 8;
export const SO_LINGER = 13;
export const SO_PROTOCOL = 38;
/** include/linux/net.h: a flag of a socket's type. The same on x86_64 and arm64. */
export const SOCK_NONBLOCK = 0x800;
/** include/uapi/linux/in.h */
export const IPPROTO_MPTCP = 262;
export const TCP_NODELAY = 1;
/** 0: acknowledgments of data are delayed. */
export const TCP_QUICKACK = 12;
/** Seconds, 1 to 32767. Here for code that runs on Linux alone; platform.ts has all systems. */
export const TCP_KEEPIDLE = 4;
/** Milliseconds, 1000 to 120000. Linux >= 6.15. */
export const TCP_RTO_MAX_MS = 44;
