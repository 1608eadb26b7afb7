import type { LocalPath } from "../../core/diagnosis.ts";
import { openPort } from "../port/open-port.ts";
import { addressBytes, addressText } from "./ip-address.ts";
import { lookUpLink } from "./link.ts";
import { lookUpNeighbor } from "./neighbor.ts";
import { Netlink } from "./netlink.ts";
import { NETLINK_ROUTE } from "./netlink-message.ts";
import { lookUpRoute } from "./route.ts";
import { NO_SELECTORS, namespaceOf, type RouteSelectors, selectorsOf } from "./route-selectors.ts";

const NOTHING_KNOWN: LocalPath = {
  hasRoute: null,
  interfaceName: null,
  linkUp: null,
  hasSourceAddress: null,
  gateway: null,
  neighbor: null,
  wasInOrder: null,
};

/** The connection whose path is examined. */
export interface PathOf {
  readonly localAddress: string;
  readonly remoteAddress: string;
  readonly localPort?: number | undefined;
  readonly remotePort?: number | undefined;
  /** What its own look-up selects by; default nothing but addresses and ports. */
  readonly by?: Partial<RouteSelectors>;
}

/** Reads from an open socket what its own look-up of a route selects by. Takes some 10 µs. */
export function routeSelectorsOf(fd: number, { remoteAddress }: PathOf): RouteSelectors {
  const port = openPort();
  if (!port) return NO_SELECTORS;
  return selectorsOf(port, fd, addressBytes(remoteAddress)?.length === 16);
}

/**
 * Examines whether this host itself can still reach the peer: route, link, source address, next
 * hop. Sends nothing and takes some 80 µs. A fact that cannot be found out is `null`: all are for a
 * socket of another network namespace than this thread's.
 */
export function examineLocalPath(of: PathOf): LocalPath {
  const port = openPort();
  const source = addressBytes(of.localAddress);
  const destination = addressBytes(of.remoteAddress);
  if (!port || !source || !destination || source.length !== destination.length)
    return NOTHING_KNOWN;

  // Opened each time: a kept socket would stay open when a Worker thread ends, and belongs to one
  // network namespace.
  const netlink = Netlink.open(port, NETLINK_ROUTE);
  if (!netlink) return NOTHING_KNOWN;
  try {
    const { localPort = null, remotePort = null } = of;
    const namespace = of.by?.namespace ?? null;
    if (namespace !== null && namespace !== namespaceOf(port, netlink.fd)) return NOTHING_KNOWN;
    return pathOf(netlink, source, destination, {
      ...NO_SELECTORS,
      ...of.by,
      localPort,
      remotePort,
    });
  } finally {
    netlink.close();
  }
}

function pathOf(
  netlink: Netlink,
  source: Uint8Array,
  destination: Uint8Array,
  by: RouteSelectors,
): LocalPath {
  const hasSourceAddress = by.isTransparent ? null : isOwnAddress(netlink, source, by);
  // The kernel refuses every look-up from a source address that is gone, so such an address is left
  // out.
  const route = lookUpRoute(netlink, destination, hasSourceAddress === true ? source : null, by);
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
    wasInOrder: null,
  };
}

/** `null`: not known. The addresses of a VRF are found in its own table only. */
function isOwnAddress(netlink: Netlink, address: Uint8Array, by: RouteSelectors): boolean | null {
  const own = lookUpRoute(netlink, address, null);
  if (own?.isLocal) return true;
  const bound = by.interfaceIndex ? lookUpRoute(netlink, address, null, by) : own;
  return bound === undefined ? null : bound?.isLocal === true;
}
