import { LossChain, type LossLaw } from "./loss-law.ts";

/**
 * One packet in a row of them: when it is sent, and the probability that it has not arrived in time
 * although it was not lost.
 */
export interface SentPacket {
  readonly atMs: number;
  readonly lateness: number;
}

/**
 * Probability that every one of these packets, in order of their sending, is missing: lost or late.
 * With `received`, that this one was sent first and did arrive (its `lateness` says with which
 * probability not). Exact for independent delays (docs/internals/bounds.md#lower-bound).
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
