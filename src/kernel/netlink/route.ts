import { EACCES, EHOSTUNREACH, EINVAL, ENETUNREACH } from "../port/errno-linux.ts";
import { attributesOf, type Netlink } from "./netlink.ts";

const RTM_GETROUTE = 26;
const RTM_NEWROUTE = 24;
const RTA_DST = 1;
const RTA_SRC = 2;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
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
 * Returns the route that a packet takes now; `null` where the kernel has none, `undefined` where it
 * did not say.
 */
export function lookUpRoute(
  netlink: Netlink,
  destination: Uint8Array,
  source: Uint8Array | null,
): Route | null | undefined {
  const header = new Uint8Array(RTMSG_BYTES);
  header[0] = familyOf(destination);
  header[1] = destination.length * 8;
  header[2] = source ? source.length * 8 : 0;
  const attributes = [{ type: RTA_DST, value: destination }];
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

export function familyOf(address: Uint8Array): number {
  return address.length === 4 ? 2 : 10; // AF_INET, AF_INET6
}
