import { COOKIE_BYTES } from "../port/platform-linux.ts";
import { addressText } from "./ip-address.ts";

export const AF_INET = 2;
export const AF_INET6 = 10;
/** The families that carry TCP. */
export type Family = typeof AF_INET | typeof AF_INET6;

/** struct inet_diag_sockid: sport, dport (network order), src[4], dst[4], interface, cookie[2]. */
export const SOCKID_BYTES = 48;
const SOURCE_PORT = 0;
const DESTINATION_PORT = 2;
const SOURCE = 4;
const DESTINATION = 20;
const INTERFACE = 36;
const COOKIE = 40;

/**
 * The identity of one socket as sock_diag knows it: addresses, ports, interface and cookie. The
 * cookie is unique for the life of the machine's boot, so an identity never means a later
 * connection that got the same addresses. The family is that of the message: an IPv4 connection of
 * a dual-stack listener is AF_INET6 with a mapped address, and is found only as that.
 */
export class SockDiagId {
  readonly family: Family;
  /** The 48 bytes as the kernel wrote them. */
  readonly bytes: Buffer;

  constructor(family: Family, bytes: Uint8Array) {
    if (bytes.length !== SOCKID_BYTES)
      throw new RangeError(`a sockid has ${SOCKID_BYTES} bytes, not ${bytes.length}`);
    this.family = family;
    this.bytes = Buffer.from(bytes);
  }

  get cookieLow(): number {
    return this.bytes.readUInt32LE(COOKIE);
  }

  get cookieHigh(): number {
    return this.bytes.readUInt32LE(COOKIE + 4);
  }

  /** Two identities have the same cookie exactly when they mean the same socket. */
  get cookie(): bigint {
    return this.bytes.readBigUInt64LE(COOKIE);
  }

  /** The cookie in the form that SO_COOKIE returns. */
  get cookieBytes(): Uint8Array {
    return this.bytes.subarray(COOKIE, COOKIE + COOKIE_BYTES);
  }

  get localPort(): number {
    return this.bytes.readUInt16BE(SOURCE_PORT);
  }

  get remotePort(): number {
    return this.bytes.readUInt16BE(DESTINATION_PORT);
  }

  /** The interface that the socket is bound to; 0: none. */
  get interfaceIndex(): number {
    return this.bytes.readUInt32LE(INTERFACE);
  }

  get localAddress(): string {
    return formatIp(this.bytes, SOURCE, this.family);
  }

  get remoteAddress(): string {
    return formatIp(this.bytes, DESTINATION, this.family);
  }
}

/** Returns the text of an address field; an IPv4 address mapped into IPv6 is written as IPv4. */
export function formatIp(bytes: Uint8Array, offset: number, family: Family): string {
  if (family === AF_INET) return ipv4Text(bytes, offset);
  if (isMapped(bytes, offset)) return ipv4Text(bytes, offset + 12);
  return addressText(bytes.subarray(offset, offset + 16));
}

/** Makes no view of the four bytes, since an audit writes 200,000 addresses. */
function ipv4Text(bytes: Uint8Array, at: number): string {
  return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
}

/** ::ffff:a.b.c.d, RFC 4291 section 2.5.5.2. */
function isMapped(bytes: Uint8Array, offset: number): boolean {
  for (let i = 0; i < 10; i++) if (bytes[offset + i] !== 0) return false;
  return bytes[offset + 10] === 0xff && bytes[offset + 11] === 0xff;
}
