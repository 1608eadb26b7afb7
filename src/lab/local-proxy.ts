import type { Network } from "./network.ts";
import { PEER_PORTS, TLS_PORT_OFFSET } from "./peer-ports.ts";
import { program, said } from "./run-fault.ts";

/**
 * Ports of the relay: it listens `portOffset` above the port that it stands in for, and connects
 * from `firstSource` upwards, by which the redirection knows it.
 */
export const RELAY = { portOffset: 10_000, firstSource: 20_000, lastSource: 20_999 } as const;

/**
 * Redirects the connections of the left host to a relay on that host, as the sidecar of a service
 * mesh does. The programs see the peer's address. Needs nft.
 */
export async function proxyLocally(network: Network): Promise<void> {
  const relay = await network.spawn("left", [
    process.execPath,
    program("relay.js"),
    network.address("right"),
    network.address("right", 6),
  ]);
  await said(relay, "ready");

  const redirections = [PEER_PORTS.sink, PEER_PORTS.sink + TLS_PORT_OFFSET].map(
    (port) => `tcp dport ${port} redirect to :${port + RELAY.portOffset};`,
  );
  const own = `tcp sport ${RELAY.firstSource}-${RELAY.lastSource} accept;`;
  await network.run("left", [
    "nft",
    `table inet sidecar { chain out { type nat hook output priority -100; ${own} ${redirections.join(" ")} }; }`,
  ]);
}
