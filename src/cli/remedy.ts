import type { Cause } from "../core/diagnosis.ts";

/** Returns what lets a connection work again, for a cause that a setting can mend; else nothing. */
export function remedyFor(cause: Cause | undefined): readonly string[] {
  return cause === "mtu-black-hole" ? LARGE_PACKETS : [];
}

/** RFC 2923, 2.1, and RFC 4821. */
const LARGE_PACKETS: readonly string[] = [
  'let ICMP "fragmentation needed" and ICMPv6 "packet too big" pass, on every router and firewall between the two',
  "or: sysctl -w net.ipv4.tcp_mtu_probing=1, on both hosts: the kernel then finds the size that passes after some seconds",
  "or: ip route change <the route to the peer> mtu 1400, on one host",
  "or clamp the segment size on the router: nft add rule ... tcp flags syn tcp option maxseg size set rt mtu",
  "to see the size that passes: ping -M do -s 1372 <the peer>, larger and smaller",
];
