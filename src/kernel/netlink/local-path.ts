import type { LocalPath } from "../../core/diagnosis.ts";
import { openPort } from "../port/open-port.ts";
import { addressBytes, addressText } from "./ip-address.ts";
import { lookUpLink } from "./link.ts";
import { lookUpNeighbor } from "./neighbor.ts";
import { Netlink } from "./netlink.ts";
import { NETLINK_ROUTE } from "./netlink-message.ts";
import { lookUpRoute } from "./route.ts";

const NOTHING_KNOWN: LocalPath = {
  hasRoute: null,
  interfaceName: null,
  linkUp: null,
  hasSourceAddress: null,
  gateway: null,
  neighbor: null,
};

/**
 * Examines whether this host itself can still reach the peer: route, link, source address, next
 * hop. Sends nothing and takes some 50 µs. A fact that cannot be found out is `null`.
 */
export function examineLocalPath(localAddress: string, remoteAddress: string): LocalPath {
  const port = openPort();
  const source = addressBytes(localAddress);
  const destination = addressBytes(remoteAddress);
  if (!port || !source || !destination || source.length !== destination.length)
    return NOTHING_KNOWN;

  // Opened each time: a kept socket would stay open when a Worker thread ends, and belongs to one
  // network namespace.
  const netlink = Netlink.open(port, NETLINK_ROUTE);
  if (!netlink) return NOTHING_KNOWN;
  try {
    return pathOf(netlink, source, destination);
  } finally {
    netlink.close();
  }
}

function pathOf(netlink: Netlink, source: Uint8Array, destination: Uint8Array): LocalPath {
  const own = lookUpRoute(netlink, source, null);
  const hasSourceAddress = own === undefined ? null : own?.isLocal === true;
  // The kernel refuses every look-up from a source address that is gone, so such an address is left
  // out.
  const route = lookUpRoute(netlink, destination, hasSourceAddress === false ? null : source);
  if (!route)
    return { ...NOTHING_KNOWN, hasRoute: route === null ? false : null, hasSourceAddress };

  const { interfaceIndex, gateway } = route;
  const link = interfaceIndex === null ? null : lookUpLink(netlink, interfaceIndex);
  return {
    hasRoute: true,
    interfaceName: link?.name ?? null,
    linkUp: link?.isUp ?? null,
    hasSourceAddress,
    gateway: gateway ? addressText(gateway) : null,
    neighbor:
      interfaceIndex === null || route.isLocal
        ? null
        : lookUpNeighbor(netlink, interfaceIndex, gateway ?? destination),
  };
}
