import { isIPv4, isIPv6 } from "node:net";

/**
 * Returns an address as the kernel takes it: 4 or 16 bytes. IPv4 inside IPv6 (::ffff:a.b.c.d) is
 * IPv4. `null` for text that is no address.
 */
export function addressBytes(text: string): Uint8Array | null {
  const address = text.replace(/%.*$/, "").replace(/^::ffff:(?=\d+\.)/i, "");
  if (isIPv4(address)) return Uint8Array.from(address.split("."), Number);
  return isIPv6(address) ? bytesOfIpv6(address) : null;
}

function bytesOfIpv6(address: string): Uint8Array {
  const [head = "", tail] = address.split("::");
  const before = groups(head);
  const after = tail === undefined ? [] : groups(tail);
  const bytes = new Uint8Array(16);
  bytes.set(before);
  bytes.set(after, 16 - after.length);
  return bytes;
}

function groups(part: string): number[] {
  if (part === "") return [];
  return part.split(":").flatMap((group) => {
    if (group.includes(".")) return group.split(".").map(Number);
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}

/** Returns the text of 4 or 16 bytes; IPv6 with one run of zero groups written as `::`. */
export function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`;
  const parts: string[] = [];
  for (let i = 0; i + 1 < bytes.length; i += 2)
    parts.push((((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0)).toString(16));
  return parts
    .join(":")
    .replace(/\b(?:0:){2,}0?\b|\b(?:0:)+0\b/, "::")
    .replace(/:{3,}/, "::");
}

/** Returns `address:port`, IPv6 in brackets (RFC 3986, section 3.2.2). */
export function endpointText(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
