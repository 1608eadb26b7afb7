import { seededRandom } from "../../../src/testing/index.ts";
import type { Path } from "./kernel-model.ts";

/**
 * The way in which round trips are lost: each on its own, or in bursts (Gilbert-Elliott: all are
 * lost during a burst, none in between).
 */
export interface LossyPath {
  readonly lossRatio: number;
  /** Mean length of a burst in ms; 0: each round trip is lost on its own. */
  readonly burstMs: number;
}

/** A path that loses at random, records when packets left, and is cut from `cutAt` on. */
export class RecordedPath implements Path {
  readonly rttMs: number;
  /** When packets left after the cut. */
  readonly lostAfterCut: number[] = [];
  packets = 0;
  /** The last packet before the cut arrived. */
  wasUp = true;
  readonly #cutAt: number;
  readonly #lossy: LossyPath;
  readonly #random: () => number;
  #isBurst = false;
  #changesAt = 0;

  constructor(
    lossy: LossyPath,
    rttMs: number,
    seed: number,
    cutAt: number = Number.POSITIVE_INFINITY,
  ) {
    this.rttMs = rttMs;
    this.#cutAt = cutAt;
    this.#lossy = lossy;
    this.#random = seededRandom(seed);
    if (lossy.burstMs > 0) {
      this.#isBurst = this.#random() < lossy.lossRatio;
      this.#changesAt = this.#stays();
    }
  }

  isUp(at: number): boolean {
    if (at >= this.#cutAt) {
      this.lostAfterCut.push(at);
      return false;
    }
    this.packets++;
    this.wasUp =
      this.#lossy.burstMs > 0 ? !this.#isInBurst(at) : this.#random() >= this.#lossy.lossRatio;
    return this.wasUp;
  }

  #isInBurst(at: number): boolean {
    while (this.#changesAt <= at) {
      this.#isBurst = !this.#isBurst;
      this.#changesAt += this.#stays();
    }
    return this.#isBurst;
  }

  #stays(): number {
    const { burstMs, lossRatio } = this.#lossy;
    const mean = this.#isBurst ? burstMs : (burstMs * (1 - lossRatio)) / lossRatio;
    return -mean * Math.log(1 - this.#random());
  }
}

/**
 * Returns the chance that a live path loses packets at just these instants, given that it was up
 * before the first.
 */
export function chanceOfLosing(
  instants: readonly number[],
  { lossRatio, burstMs }: LossyPath,
): number {
  if (burstMs === 0) return lossRatio ** instants.length;
  // Everything is lost during a burst, so a lost packet means a burst at that instant.
  const leave = 1 / burstMs;
  const enter = (leave * lossRatio) / (1 - lossRatio);
  let chance = lossRatio;
  for (let i = 1; i < instants.length; i++) {
    const gap = (instants[i] ?? 0) - (instants[i - 1] ?? 0);
    chance *= lossRatio + (1 - lossRatio) * Math.exp(-(leave + enter) * gap);
  }
  return chance;
}
