import type { Socket } from "node:net";
import { endpointText } from "../kernel/ip-address.ts";

/** `address:port`, IPv6 in brackets; `null` when not known (any more). */
export function formatAddress(address: string | undefined, port: number | undefined): string | null {
  if (address === undefined || port === undefined) return null;
  return endpointText(address, port);
}

export function localOf(socket: Socket): string | null {
  return formatAddress(socket.localAddress, socket.localPort);
}

export function remoteOf(socket: Socket): string | null {
  return formatAddress(socket.remoteAddress, socket.remotePort);
}
