/** An option of level IPPROTO_TCP, and the milliseconds in one of its units. */
interface TimeOption {
  readonly name: string;
  readonly option: number;
  readonly unitMs: number;
  /** The largest value in ms. */
  readonly largestMs: number;
}

/**
 * The options of a TCP socket on one OS. Names and numbers are from its own headers; `null` where
 * it has no such option.
 */
export interface PlatformTable {
  readonly solSocket: number;
  readonly soKeepalive: number;
  readonly soLinger: number;
  /** The errno for an option that this version of the OS lacks: "protocol not available". */
  readonly unknownOption: number;
  readonly idle: TimeOption;
  readonly interval: TimeOption;
  readonly count: { readonly name: string; readonly option: number; readonly largest: number };
  /**
   * Options that bound data in flight. The newest comes first; older versions have only later ones.
   * Each OS counts the time differently (docs/platforms.md).
   */
  readonly userTimeout: readonly TimeOption[];
  readonly tcpInfo: { readonly name: string; readonly option: number } | null;
  readonly addressFamily: { readonly inet: number; readonly inet6: number };
}

export type PlatformName = "linux" | "darwin" | "freebsd" | "win32";

const SECOND = 1000;
/** Linux: MAX_TCP_KEEPIDLE and MAX_TCP_KEEPINTVL (include/net/tcp.h). */
const LINUX_LARGEST_MS = 32_767 * SECOND;
/** Others keep ms in a signed 32-bit number. */
const LARGEST_MS = Math.floor(0x7fff_ffff / SECOND) * SECOND;

const time = (
  name: string,
  option: number,
  unitMs: number = SECOND,
  largestMs: number = LARGEST_MS,
): TimeOption => ({
  name,
  option,
  unitMs,
  largestMs,
});

/** The one place that knows how systems differ. All other code reads this table. */
export const PLATFORMS: Readonly<Record<PlatformName, PlatformTable>> = {
  // include/uapi/asm-generic/socket.h and linux/tcp.h; the same on x86_64 and arm64.
  linux: {
    solSocket: 1,
    soKeepalive: 9,
    soLinger: 13,
    unknownOption: 92,
    idle: time("TCP_KEEPIDLE", 4, SECOND, LINUX_LARGEST_MS),
    interval: time("TCP_KEEPINTVL", 5, SECOND, LINUX_LARGEST_MS),
    count: { name: "TCP_KEEPCNT", option: 6, largest: 127 },
    userTimeout: [time("TCP_USER_TIMEOUT", 18, 1, 0x7fff_ffff)],
    tcpInfo: { name: "TCP_INFO", option: 11 },
    addressFamily: { inet: 2, inet6: 10 },
  },
  // xnu bsd/netinet/tcp.h and bsd/sys/socket.h.
  darwin: {
    solSocket: 0xffff,
    soKeepalive: 8,
    soLinger: 0x80,
    unknownOption: 42,
    idle: time("TCP_KEEPALIVE", 0x10),
    interval: time("TCP_KEEPINTVL", 0x101),
    count: { name: "TCP_KEEPCNT", option: 0x102, largest: 127 },
    // Seconds, unlike TCP_USER_TIMEOUT. Counted from the first retransmission, and checked only
    // when a retransmission is due.
    userTimeout: [time("TCP_RXT_CONNDROPTIME", 0x80)],
    tcpInfo: { name: "TCP_CONNECTION_INFO", option: 0x106 },
    addressFamily: { inet: 2, inet6: 30 },
  },
  // sys/netinet/tcp.h and sys/sys/socket.h.
  freebsd: {
    solSocket: 0xffff,
    soKeepalive: 8,
    soLinger: 0x80,
    unknownOption: 42,
    idle: time("TCP_KEEPIDLE", 256),
    interval: time("TCP_KEEPINTVL", 512),
    count: { name: "TCP_KEEPCNT", option: 1024, largest: 127 },
    userTimeout: [time("TCP_MAXUNACKTIME", 68)],
    tcpInfo: { name: "TCP_INFO", option: 32 },
    addressFamily: { inet: 2, inet6: 28 },
  },
  // ws2ipdef.h and winsock2.h. TCP_KEEPIDLE, TCP_KEEPINTVL since Windows 10 1709, TCP_KEEPCNT since
  // 1703.
  win32: {
    solSocket: 0xffff,
    soKeepalive: 8,
    soLinger: 0x80,
    unknownOption: 10_042,
    idle: time("TCP_KEEPIDLE", 3),
    interval: time("TCP_KEEPINTVL", 17),
    count: { name: "TCP_KEEPCNT", option: 16, largest: 255 },
    userTimeout: [time("TCP_MAXRTMS", 14, 1, 0x7fff_ffff), time("TCP_MAXRT", 5)],
    // An ioctl, SIO_TCP_INFO, in place of an option.
    tcpInfo: null,
    addressFamily: { inet: 2, inet6: 23 },
  },
};

/**
 * The table of this system. On an unknown system nothing is done natively: the table is then that
 * of Linux, and never used.
 */
export const platform: PlatformTable = tableOf(process.platform) ?? PLATFORMS.linux;

export function tableOf(name: string): PlatformTable | null {
  return Object.hasOwn(PLATFORMS, name) ? PLATFORMS[name as PlatformName] : null;
}
