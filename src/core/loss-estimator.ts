/** Share of attempts assumed lost before anything was seen. */
const PRIOR_LOSS = 0.01;
/** How many attempts the prior is worth: two misses among the first twenty must already count. */
const PRIOR_WEIGHT = 10;
/** Beyond this many attempts the past is halved, so that a path that got worse is believed: what one connection sees in some minutes. */
const MEMORY = 100;

/**
 * Weight of a burst in the short memory: a path that turns bad is believed after a handful of attempts. A single outage counts
 * once, so that a cut soon after it is still found inside the budget.
 */
const SHORT = 1 / 8;
/** One outage swallows any number of attempts and says little of the loss to expect otherwise: a burst counts as this many at most. */
const BURST = 2;
/** Separate bursts of loss before the path itself is called lossy; one may be an outage. */
const NOTABLE_BURSTS = 3;
/** Loss that deserves a name: below it TCP hides it well. */
const NOTABLE_LOSS = 0.03;

/** Estimates the share of lost attempts of one connection: a Beta prior and a memory that fades, or a short memory where that is worse. */
export class LossEstimator {
  readonly #memory: number;
  #attempts = 0;
  #lost = 0;
  #bursts = 0;
  #recent = 0;

  /** `memory`: attempts after which the past counts half. Where many connections report, a short one would only follow chance. */
  constructor(memory: number = MEMORY) {
    this.#memory = memory;
  }

  /** So many attempts, of which the lost ones fell together. */
  record(attempts: number, lost: number): void {
    this.#attempts += attempts;
    const counted = Math.min(BURST, lost);
    this.#lost += counted;
    this.#recent = this.#recent * (1 - SHORT) ** attempts + SHORT * Math.min(1, lost);
    if (lost > 0) this.#bursts++;
    if (this.#attempts > this.#memory) {
      this.#attempts /= 2;
      this.#lost /= 2;
      this.#bursts /= 2;
    }
  }

  /** 0 to 1; never below the prior, so that a lucky stretch does not make verdicts hasty. */
  get ratio(): number {
    return Math.max(PRIOR_LOSS, this.#recent, (PRIOR_LOSS * PRIOR_WEIGHT + this.#lost) / (PRIOR_WEIGHT + this.#attempts));
  }

  /** No worse than what is assumed of any path. */
  get isUnremarkable(): boolean {
    return this.ratio <= PRIOR_LOSS;
  }

  /** Loss came again and again, and is more than TCP hides. */
  get isNotable(): boolean {
    return this.#bursts >= NOTABLE_BURSTS && this.ratio > NOTABLE_LOSS;
  }
}
