import { ADDRESSES, MACS, MIDDLE_MACS, ROUTER } from "./addresses.ts";
import type { Host, Network } from "./network.ts";

/**
 * Has the router send to a host no faster than `queue` says, the words of a token bucket for tc.
 *
 * The question of the router for the host's link address would wait in the queue like all else, and
 * so would its answer to the host's own question. Each would give the other up for dead, so they
 * know each other for good.
 */
export async function slowLink(network: Network, towards: Host, queue: string): Promise<void> {
  for (const i of [0, 1] as const) {
    const host = `${ADDRESSES.routed[towards][i]} lladdr ${MACS[towards]} dev ${towards}`;
    const router = `${ROUTER[towards][i]} lladdr ${MIDDLE_MACS[towards]} dev eth0`;
    await run(network, "mid", `ip neigh replace ${host} nud permanent`);
    await run(network, towards, `ip neigh replace ${router} nud permanent`);
  }
  await run(network, "mid", `tc qdisc replace dev ${towards} root tbf ${queue}`);
}

function run(network: Network, host: Host | "mid", words: string): Promise<string> {
  return network.run(host, words.split(" "));
}
