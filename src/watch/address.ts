import { endpointText } from "../kernel/netlink/ip-address.ts";
import type { Endpoints } from "./handle.ts";

/** `address:port`, IPv6 in brackets; `null` when not known (any more). */
function formatAddress(address: string | undefined, port: number | undefined): string | null {
  if (address === undefined || port === undefined) return null;
  return endpointText(address, port);
}

export function localOf({ localAddress, localPort }: Endpoints): string | null {
  return formatAddress(localAddress, localPort);
}

export function remoteOf({ remoteAddress, remotePort }: Endpoints): string | null {
  return formatAddress(remoteAddress, remotePort);
}
