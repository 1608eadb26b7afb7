/** Share of attempts assumed lost before anything was seen. */
const PRIOR_LOSS = 0.01;
/** How many attempts the prior is worth: two misses among the first twenty must already count. */
const PRIOR_WEIGHT = 10;
/** Beyond this many attempts the past is halved, so that a path that got worse is believed. */
const MEMORY = 100;

/** Estimates the share of lost attempts of one connection: a Beta prior, and a memory that fades. */
export class LossEstimator {
  #attempts = 0;
  #lost = 0;

  record(attempts: number, lost: number): void {
    this.#attempts += attempts;
    this.#lost += lost;
    if (this.#attempts > MEMORY) {
      this.#attempts /= 2;
      this.#lost /= 2;
    }
  }

  /** 0 to 1; never below the prior, so that a lucky stretch does not make verdicts hasty. */
  get ratio(): number {
    return Math.max(PRIOR_LOSS, (PRIOR_LOSS * PRIOR_WEIGHT + this.#lost) / (PRIOR_WEIGHT + this.#attempts));
  }
}
