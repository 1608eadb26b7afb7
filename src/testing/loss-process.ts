import { LossChain, type LossLaw } from "../core/detectors/loss-law.ts";

/**
 * Draws which packets are lost. The instants should not go backwards, because the process keeps no
 * record of earlier bursts.
 */
export class LossProcess {
  readonly #chain: LossChain;
  readonly #random: () => number;
  readonly #isSteady: boolean;
  #at = 0;
  #isInBurst: boolean;

  constructor(law: LossLaw, random: () => number) {
    this.#chain = new LossChain(law);
    this.#random = random;
    this.#isSteady = this.#chain.burstShare === 0;
    this.#isInBurst = !this.#isSteady && random() < this.#chain.burstShare;
  }

  /** Draws whether a packet sent at `at` is lost. Each call draws anew. */
  isLost(at: number): boolean {
    const chain = this.#chain;
    if (this.#isSteady) return chain.lossBetween > 0 && this.#random() < chain.lossBetween;
    const { fromBurst, fromBetween } = chain.burstAfter(Math.max(0, at - this.#at));
    this.#at = Math.max(this.#at, at);
    this.#isInBurst = this.#random() < (this.#isInBurst ? fromBurst : fromBetween);
    const loss = this.#isInBurst ? chain.lossInBurst : chain.lossBetween;
    return loss >= 1 || (loss > 0 && this.#random() < loss);
  }
}
