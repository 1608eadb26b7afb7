import { neighbours } from "./neighbours.ts";
import type { Host, Network } from "./network.ts";

/**
 * Has the router send to a host no faster than `queue` says, the words of a token bucket for tc.
 *
 * The question of the router for the host's link address would wait in the queue like all else, and
 * so would its answer to the host's own question. Each would give the other up for dead, so they
 * know each other for good.
 */
export async function slowLink(network: Network, towards: Host, queue: string): Promise<void> {
  const lines = neighbours(towards, "permanent");
  for (const line of lines.host) await network.run(towards, ["ip", ...line.split(" ")]);
  for (const line of lines.mid) await network.run("mid", ["ip", ...line.split(" ")]);
  const words = `tc qdisc replace dev ${towards} root tbf ${queue}`;
  await network.run("mid", words.split(" "));
}
