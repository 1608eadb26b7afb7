import type { Socket } from "node:net";

/** `address:port`, IPv6 in brackets; `null` when not known (any more). */
export function formatAddress(address: string | undefined, port: number | undefined): string | null {
  if (address === undefined || port === undefined) return null;
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

export function localOf(socket: Socket): string | null {
  return formatAddress(socket.localAddress, socket.localPort);
}

export function remoteOf(socket: Socket): string | null {
  return formatAddress(socket.remoteAddress, socket.remotePort);
}
