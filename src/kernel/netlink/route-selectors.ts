import { fstatSync } from "node:fs";
import { SOL_SOCKET } from "../port/platform-linux.ts";
import type { SystemPort } from "../port/port.ts";

/**
 * What policy rules select a route by, beside the addresses: `man ip-rule`. `null`: not known, so
 * the look-up does without.
 */
export interface RouteSelectors {
  readonly localPort: number | null;
  readonly remotePort: number | null;
  /** The owner of the socket. */
  readonly userId: number | null;
  /** SO_MARK: `fwmark`. */
  readonly mark: number | null;
  /** SO_BINDTODEVICE: `oif`, or the table of a VRF; 0: bound to no interface. */
  readonly interfaceIndex: number | null;
  /** IP_TOS or IPV6_TCLASS. */
  readonly trafficClass: number | null;
  /** IP_TRANSPARENT: the source address need not be one of this host. */
  readonly isTransparent: boolean;
  /** The network namespace in which the socket was made, and stays: SO_NETNS_COOKIE. */
  readonly namespace: bigint | null;
}

/** Returns whether two look-ups between the same addresses and ports are the same. */
export function areSelectorsSame(one: RouteSelectors, other: RouteSelectors): boolean {
  return (
    one.userId === other.userId &&
    one.mark === other.mark &&
    one.interfaceIndex === other.interfaceIndex &&
    one.trafficClass === other.trafficClass &&
    one.isTransparent === other.isTransparent &&
    one.namespace === other.namespace
  );
}

export const NO_SELECTORS: RouteSelectors = {
  localPort: null,
  remotePort: null,
  userId: null,
  mark: null,
  interfaceIndex: null,
  trafficClass: null,
  isTransparent: false,
  namespace: null,
};

/** include/uapi/asm-generic/socket.h. Any user may read them. */
const SO_MARK = 36;
/** Linux >= 5.0. */
const SO_BINDTOIFINDEX = 62;
/** 64 bits that no other network namespace of this boot has. Linux >= 5.14. */
const SO_NETNS_COOKIE = 71;
const SOL_IP = 0;
const IP_TOS = 1;
const IP_TRANSPARENT = 19;
const SOL_IPV6 = 41;
const IPV6_TCLASS = 67;

const value = new Uint8Array(8);
const view = new DataView(value.buffer);

/** Reads from a socket what its own look-up of a route selects by. */
export function selectorsOf(port: SystemPort, fd: number, isIpv6: boolean): RouteSelectors {
  return {
    localPort: null,
    remotePort: null,
    userId: ownerOf(fd),
    mark: readNumber(port, fd, SOL_SOCKET, SO_MARK),
    interfaceIndex: readNumber(port, fd, SOL_SOCKET, SO_BINDTOIFINDEX),
    trafficClass: isIpv6
      ? readNumber(port, fd, SOL_IPV6, IPV6_TCLASS)
      : readNumber(port, fd, SOL_IP, IP_TOS),
    isTransparent: readNumber(port, fd, SOL_IP, IP_TRANSPARENT) === 1,
    namespace: namespaceOf(port, fd),
  };
}

/** Returns what no other network namespace of this boot has; `null` before Linux 5.14. */
export function namespaceOf(port: SystemPort, fd: number): bigint | null {
  const length = port.getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, value);
  return length === 8 ? view.getBigUint64(0, true) : null;
}

function readNumber(port: SystemPort, fd: number, level: number, option: number): number | null {
  view.setUint32(0, 0, true);
  return port.getsockopt(fd, level, option, value.subarray(0, 4)) < 0
    ? null
    : view.getUint32(0, true);
}

function ownerOf(fd: number): number | null {
  try {
    return fstatSync(fd).uid;
  } catch {
    return null;
  }
}
