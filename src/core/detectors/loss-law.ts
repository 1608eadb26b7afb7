import { checkDuration, checkRange } from "./check-range.ts";

/**
 * Losses in bursts: a path that is either good or in a burst, and changes at random (Gilbert 1960,
 * Elliott 1963), in continuous time. Shares and probabilities are 0 to 1.
 */
export interface GilbertElliott {
  /** Mean length of a burst in ms. */
  readonly meanBurstMs: number;
  /** Share of the time that the path spends in bursts, below 1. */
  readonly burstShare: number;
  /** Probability that a packet sent in a burst is lost; default 1. */
  readonly lossInBurst?: number;
  /** Probability that a packet sent between bursts is lost; default 0. */
  readonly lossBetween?: number;
}

/** Either the probability of each packet's loss, independent of the others, or losses in bursts. */
export type LossLaw = number | GilbertElliott;

/** A loss law as a chain of two states: 0 between bursts, 1 in a burst. */
export class LossChain {
  readonly burstShare: number;
  /** Rates per ms at which a burst ends, and at which a burst begins. */
  readonly endRate: number;
  readonly beginRate: number;
  readonly lossBetween: number;
  readonly lossInBurst: number;

  /** @throws HalfOpenError `ERR_OPTION_RANGE` */
  constructor(law: LossLaw) {
    if (typeof law === "number") {
      this.lossBetween = checkRange("loss", law, 0, 1);
      this.lossInBurst = law;
      this.burstShare = 0;
      this.endRate = 1;
      this.beginRate = 0;
    } else {
      this.lossBetween = checkRange("lossBetween", law.lossBetween ?? 0, 0, 1);
      this.lossInBurst = checkRange("lossInBurst", law.lossInBurst ?? 1, 0, 1);
      this.burstShare = checkRange("burstShare", law.burstShare, 0, 0.999);
      this.endRate = 1 / checkDuration("meanBurstMs", law.meanBurstMs);
      this.beginRate = (this.endRate * this.burstShare) / (1 - this.burstShare);
    }
  }

  /** Share of packets lost over a long time. */
  get meanLoss(): number {
    return (1 - this.burstShare) * this.lossBetween + this.burstShare * this.lossInBurst;
  }

  /** Returns the probability of a burst, `ms` after a burst and `ms` after none. */
  burstAfter(ms: number): { fromBurst: number; fromBetween: number } {
    const memory = Math.exp(-(this.endRate + this.beginRate) * ms);
    return {
      fromBurst: this.burstShare + (1 - this.burstShare) * memory,
      fromBetween: this.burstShare * (1 - memory),
    };
  }
}
