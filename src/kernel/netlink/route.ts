import { EACCES, EHOSTUNREACH, EINVAL, ENETUNREACH } from "../port/errno-linux.ts";
import { IPPROTO_TCP } from "../port/platform-linux.ts";
import { attributesOf, type Netlink, type NetlinkAttribute } from "./netlink.ts";
import { NO_SELECTORS, type RouteSelectors } from "./route-selectors.ts";

const RTM_GETROUTE = 26;
const RTM_NEWROUTE = 24;
const RTA_DST = 1;
const RTA_SRC = 2;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_MARK = 16;
/** Linux >= 4.10; older kernels pass over it. */
const RTA_UID = 25;
/** Linux >= 4.17; older kernels pass over them, and have no rules by port. */
const RTA_IP_PROTO = 27;
const RTA_SPORT = 28;
const RTA_DPORT = 29;
const RTMSG_BYTES = 12;
const RTN_LOCAL = 2;
/** EACCES: prohibited. EINVAL: a black hole, or a source address that is gone. */
const NO_ROUTE = new Set([ENETUNREACH, EHOSTUNREACH, EACCES, EINVAL]);
const UNROUTABLE = new Set([6, 7, 8]); // RTN_BLACKHOLE, RTN_UNREACHABLE, RTN_PROHIBIT

export interface Route {
  readonly interfaceIndex: number | null;
  readonly gateway: Uint8Array | null;
  /** The destination is an address of this host. */
  readonly isLocal: boolean;
}

/**
 * Returns the route that a packet of a TCP connection takes now; `null` where the kernel has none,
 * `undefined` where it did not say. `by`: what policy rules may select by.
 */
export function lookUpRoute(
  netlink: Netlink,
  destination: Uint8Array,
  source: Uint8Array | null,
  by: RouteSelectors = NO_SELECTORS,
): Route | null | undefined {
  const header = new Uint8Array(RTMSG_BYTES);
  header[0] = familyOf(destination);
  header[1] = destination.length * 8;
  header[2] = source ? source.length * 8 : 0;
  header[3] = by.trafficClass ?? 0;
  const attributes = [{ type: RTA_DST, value: destination }, ...selecting(by)];
  if (source) attributes.push({ type: RTA_SRC, value: source });

  const answer = netlink.ask(RTM_GETROUTE, header, attributes);
  if ("errno" in answer) return NO_ROUTE.has(answer.errno) ? null : undefined;
  if (answer.type !== RTM_NEWROUTE || answer.payload.byteLength < RTMSG_BYTES) return undefined;

  const type = answer.payload.getUint8(7);
  if (UNROUTABLE.has(type)) return null;
  const found = attributesOf(answer.payload, RTMSG_BYTES);
  const out = found.get(RTA_OIF);
  const gateway = found.get(RTA_GATEWAY);
  return {
    interfaceIndex: out && out.byteLength >= 4 ? out.getUint32(0, true) : null,
    gateway: gateway
      ? new Uint8Array(
          gateway.buffer.slice(gateway.byteOffset, gateway.byteOffset + gateway.byteLength),
        )
      : null,
    isLocal: type === RTN_LOCAL,
  };
}

function selecting(by: RouteSelectors): NetlinkAttribute[] {
  const attributes: NetlinkAttribute[] = [
    { type: RTA_IP_PROTO, value: Uint8Array.of(IPPROTO_TCP) },
  ];
  if (by.localPort !== null) attributes.push({ type: RTA_SPORT, value: port(by.localPort) });
  if (by.remotePort !== null) attributes.push({ type: RTA_DPORT, value: port(by.remotePort) });
  if (by.userId !== null) attributes.push({ type: RTA_UID, value: word(by.userId) });
  if (by.mark) attributes.push({ type: RTA_MARK, value: word(by.mark) });
  if (by.interfaceIndex) attributes.push({ type: RTA_OIF, value: word(by.interfaceIndex) });
  return attributes;
}

function port(number: number): Uint8Array {
  return Uint8Array.of(number >> 8, number & 0xff);
}

function word(number: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, number, true);
  return bytes;
}

export function familyOf(address: Uint8Array): number {
  return address.length === 4 ? 2 : 10; // AF_INET, AF_INET6
}
