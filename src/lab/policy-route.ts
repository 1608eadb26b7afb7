import { ROUTER } from "./addresses.ts";
import type { Network } from "./network.ts";
import { PEER_PORTS, TLS_PORT_OFFSET } from "./peer-ports.ts";

const TABLE = "100";

/**
 * Takes the default route of the left host from the main table, into one that a rule chooses for
 * the connections of the lab alone. Whoever asks for the route to the address finds none.
 */
export async function routeByPolicy(network: Network): Promise<void> {
  const last = Math.max(...Object.values(PEER_PORTS)) + TLS_PORT_OFFSET;
  const flow = ["ipproto", "tcp", "dport", `${PEER_PORTS.sink}-${last}`];
  for (const [family, gateway] of [
    ["-4", ROUTER.left[0]],
    ["-6", ROUTER.left[1]],
  ] as const) {
    const ip = (...words: string[]): Promise<string> =>
      network.run("left", ["ip", family, ...words]);
    await ip("route", "add", "default", "via", gateway, "table", TABLE);
    await ip("rule", "add", ...flow, "lookup", TABLE);
    await ip("route", "del", "default");
  }
}
