import { LossChain, type LossLaw } from "./loss-law.ts";

/**
 * One packet of a series. `atMs`: when it is sent. `lateness`: the probability that the packet, not
 * lost, arrives too late.
 */
export interface SentPacket {
  readonly atMs: number;
  readonly lateness: number;
}

/**
 * Returns the probability that all packets of `missing`, in order of sending, are lost or late.
 * With `received`: the probability that this packet, sent first, also arrived in time. Exact for
 * independent delays (docs/internals/bounds.md#lower-bound).
 */
export function silenceProbability(
  loss: LossLaw | LossChain,
  missing: readonly SentPacket[],
  received?: SentPacket,
): number {
  const chain = loss instanceof LossChain ? loss : new LossChain(loss);
  let inBurst = chain.burstShare;
  let between = 1 - chain.burstShare;
  let atMs = received?.atMs ?? missing[0]?.atMs ?? 0;

  if (received) {
    inBurst *= (1 - chain.lossInBurst) * (1 - received.lateness);
    between *= (1 - chain.lossBetween) * (1 - received.lateness);
  }

  for (const packet of missing) {
    const { fromBurst, fromBetween } = chain.burstAfter(packet.atMs - atMs);
    const total = inBurst + between;
    const nowInBurst = inBurst * fromBurst + between * fromBetween;
    inBurst = nowInBurst * (chain.lossInBurst + (1 - chain.lossInBurst) * packet.lateness);
    between =
      (total - nowInBurst) * (chain.lossBetween + (1 - chain.lossBetween) * packet.lateness);
    atMs = packet.atMs;
  }
  return inBurst + between;
}
