/** The same number on every OS. */
export const IPPROTO_TCP = 6;
/** What only Linux has, or what code for Linux alone sets; the rest is in platform.ts. Seconds, 1 to 32767. */
export const TCP_KEEPIDLE = 4;
/** Milliseconds, 1000 to 120000. Linux >= 6.15. */
export const TCP_RTO_MAX_MS = 44;
