import { ADDRESSES, MACS, MIDDLE_MACS, ROUTER } from "./addresses.ts";

/**
 * Returns lines of `ip` by which a host and the router know each other's link addresses: for the
 * host, and for the router. `stale`: until they find out otherwise; `permanent`: for good.
 */
export function neighbours(
  host: "left" | "right",
  state: "stale" | "permanent",
): { readonly host: readonly string[]; readonly mid: readonly string[] } {
  const line = (address: string, mac: string, device: string): string =>
    `neigh replace ${address} lladdr ${mac} dev ${device} nud ${state}`;
  return {
    host: ROUTER[host].map((address) => line(address, MIDDLE_MACS[host], "eth0")),
    mid: ADDRESSES.routed[host].map((address) => line(address, MACS[host], host)),
  };
}
