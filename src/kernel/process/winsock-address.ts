import { addressBytes } from "../netlink/ip-address.ts";
import { PLATFORMS } from "../port/platform.ts";

const { inet, inet6 } = PLATFORMS.win32.addressFamily;
/** ::ffff:0:0/96, IPv4 inside IPv6. */
const MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/** sizeof(SOCKADDR_STORAGE). */
export const SOCKADDR_BYTES = 128;

/**
 * Returns whether a sockaddr_in or sockaddr_in6 (family u16 in the machine's order, port in the
 * network's, address at 4 or 8) is this address and port. IPv4 inside IPv6 counts as IPv4, which a
 * dual-stack listener accepts in that form.
 */
export function isSockaddrOf(sockaddr: Uint8Array, address: string, port: number): boolean {
  const family = (sockaddr[0] ?? 0) | ((sockaddr[1] ?? 0) << 8);
  if ((((sockaddr[2] ?? 0) << 8) | (sockaddr[3] ?? 0)) !== port) return false;

  const wanted = addressBytes(address);
  if (!wanted) return false;

  if (family === inet) return isSame(sockaddr.subarray(4, 8), wanted);
  if (family !== inet6) return false;
  const bytes = sockaddr.subarray(8, 24);
  return isSame(MAPPED.every((byte, i) => byte === bytes[i]) ? bytes.subarray(12) : bytes, wanted);
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
