import { openPort } from "../port/open-port.ts";
import { addressBytes, endpointText } from "./ip-address.ts";
import { Netlink } from "./netlink.ts";
import { NETLINK_ROUTE } from "./netlink-message.ts";
import { lookUpRoute } from "./route.ts";
import { SockDiag } from "./sock-diag.ts";
import { compileFilter } from "./sock-diag-filter.ts";
import { AF_INET, AF_INET6, type Family, SOCKID_BYTES, SockDiagId } from "./sock-diag-id.ts";
import { INET_DIAG_MESSAGE_BYTES, SOCKID } from "./sock-diag-message.ts";

/** ESTABLISHED, FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT (include/net/tcp_states.h). */
const OPEN_STATES = (1 << 1) | (1 << 4) | (1 << 5) | (1 << 8);

/**
 * Returns the socket of this host, `address:port`, that is the other end of a connection to a peer
 * elsewhere; `null`: there is none, or it cannot be found out. So a sidecar or a transparent proxy
 * shows itself, which redirects what this host sends and answers in the peer's place. Nothing else
 * does: SO_ORIGINAL_DST, segment size and TTL at this end are the same without a proxy.
 *
 * Lists the sockets whose peer is our end. Sends nothing, needs no privilege. Takes some 5 ms where
 * the kernel's table of connections is large, however few there are.
 */
export function findLocalProxy(of: {
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
}): string | null {
  const port = openPort();
  const own = addressBytes(of.localAddress);
  const peer = addressBytes(of.remoteAddress);
  if (!port || !own || !peer) return null;

  const netlink = Netlink.open(port, NETLINK_ROUTE);
  const isPeerHere = netlink && lookUpRoute(netlink, peer, null)?.isLocal;
  netlink?.close();
  if (isPeerHere !== false) return null;

  const diag = SockDiag.open(port);
  if (typeof diag === "number") return null;
  try {
    // A dual-stack listener has its IPv4 connections as IPv6, with mapped addresses.
    return own.length === 4
      ? (socketTo(diag, AF_INET, own, of.localPort) ??
          socketTo(diag, AF_INET6, mapped(own), of.localPort))
      : socketTo(diag, AF_INET6, own, of.localPort);
  } finally {
    diag.close();
  }
}

function socketTo(
  diag: SockDiag,
  family: Family,
  address: Uint8Array,
  port: number,
): string | null {
  const prefixLength = 8 * address.length;
  const filter = compileFilter([
    [{ remotePort: port }],
    [{ remoteHost: { family, address, prefixLength } }],
  ]);
  let found: string | null = null;
  diag.dump({ family, states: OPEN_STATES, withInfo: false, filter }, (bytes, start, end) => {
    if (end - start < INET_DIAG_MESSAGE_BYTES) return;
    const at = start + SOCKID;
    const id = new SockDiagId(family, bytes.subarray(at, at + SOCKID_BYTES));
    found = endpointText(id.localAddress, id.localPort);
  });
  return found;
}

function mapped(address: Uint8Array): Uint8Array {
  return Uint8Array.from([...new Array<number>(10).fill(0), 0xff, 0xff, ...address]);
}
