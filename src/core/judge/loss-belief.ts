import type { Instant } from "../time/instant.ts";

/**
 * Belief about the share of attempts that a path loses: a Beta distribution. Its two numbers are
 * attempts lost and attempts answered.
 *
 * The belief is never surer than {@link MEMORY} attempts make it, so that it follows a path that
 * turns bad. One lost attempt always stays in it, so that a clean past proves little about what
 * comes.
 *
 * The chance that a live peer misses the next n attempts is a product. It includes the uncertainty
 * of the belief itself:
 *
 *   (lost / all) * (lost + 1) / (all + 1) * ... * (lost + n - 1) / (all + n - 1)
 *
 * docs/when-it-fires.md says what follows from this; bench/loss measures it.
 */
export class LossBelief {
  #lost = 0;
  #answered: number;
  #series = 0;

  /** `answered`: what an unseen path is worth, in answered attempts. */
  constructor(answered: number = UNKNOWN_PATH) {
    this.#answered = answered;
  }

  /** Returns a belief that begins with the numbers of this one and then changes by itself. */
  copy(): LossBelief {
    const copy = new LossBelief(this.#answered);
    copy.#lost = this.#lost;
    copy.#series = this.#series;
    return copy;
  }

  /**
   * What happened: a round trip showed that the path is short. Short paths lose less, so the belief
   * begins surer. Meant for a path of which nothing was seen yet.
   */
  isShort(): void {
    this.#answered = Math.max(this.#answered, SHORT_PATH);
  }

  /**
   * Records `attempts` of which `lost` were lost. If most were lost, and more in a row than the
   * known loss explains, that was an outage. An outage says nothing about the loss to expect
   * otherwise, so its losses are left out. `weight`: see {@link weightAmong}.
   */
  record(attempts: number, lost: number, weight: number = 1): void {
    const counted = lost > attempts / 2 && this.isOutage(lost) ? 0 : lost;
    const answered = attempts - lost;

    const kept = (1 - 1 / MEMORY) ** (weight * (answered + counted));
    this.#lost = this.#lost * kept + weight * counted;
    this.#answered = this.#answered * kept + weight * answered;
    this.#series = this.#series * kept + (counted > 0 ? 1 : 0);
  }

  /** Returns whether `lost` attempts in a row are more than the known loss explains. */
  isOutage(lost: number): boolean {
    return lost >= SHORTEST_OUTAGE && lost > this.#longestSeries();
  }

  /** Share of attempts lost, 0 to 1. */
  get ratio(): number {
    return this.#lost === 0 ? 0 : this.#mean;
  }

  /** Nothing was lost, or so long ago that hardly anything of it is left. */
  get isClean(): boolean {
    return this.#lost < 0.2;
  }

  /** Loss came repeatedly. */
  get isRepeated(): boolean {
    return this.#series >= NOTABLE_SERIES;
  }

  /** Loss came repeatedly, and is more than TCP hides. */
  get isNotable(): boolean {
    return this.isRepeated && this.ratio > NOTABLE_LOSS;
  }

  /**
   * Returns the least number of attempts in a row that a live peer misses with at most the chance
   * `accepted`. At least two, at most {@link MOST_NEEDED}.
   */
  attemptsNeeded(accepted: number): number {
    const lost = this.#lost + ALWAYS_LOST;
    const all = lost + this.#answered;
    let chance = 1;
    let n = 0;
    while (n < MOST_NEEDED && (n < FEWEST_NEEDED || chance > accepted)) {
      chance *= (lost + n) / (all + n);
      n++;
    }
    return n;
  }

  /** Returns the longest series of losses that the known loss explains. */
  #longestSeries(): number {
    return Math.floor(Math.log(EXPLAINED) / Math.log(Math.min(0.99, this.#mean)));
  }

  get #mean(): number {
    const lost = this.#lost + ALWAYS_LOST;
    return lost / (lost + this.#answered);
  }
}

/**
 * Returns the weight of an attempt when `connections` share one belief. Many connections would
 * otherwise fill the memory with their last moment; weighted, it holds about one attempt of each.
 */
export function weightAmong(connections: number): number {
  return Math.min(1, MEMORY / Math.max(1, connections));
}

/** Attempts of one silence, or of one stretch of traffic, and how many of them were lost. */
export interface Lesson {
  readonly attempts: number;
  readonly lost: number;
  /** When the first lost attempt left, and the last. */
  readonly from: Instant;
  readonly to: Instant;
}

/** Round trips this short stay within a building or a data centre. */
export const SHORT_PATH_MS = 2;

/**
 * What an unknown path is worth: seven unanswered attempts prove death on it, the most that a
 * budget of 5 s has room for.
 */
const UNKNOWN_PATH = 75;

/** What a path of a LAN is worth, and the most that any path can reach: five or six attempts. */
const SHORT_PATH = 200;
const MEMORY = 200;
const ALWAYS_LOST = 1;
const FEWEST_NEEDED = 2;

/** Below MAX_TCP_KEEPCNT, which is 127. */
const MOST_NEEDED = 60;

/** Two lost in a row are everyday loss. */
const SHORTEST_OUTAGE = 3;

/** A series whose chance under the known loss is smaller than this is an outage. */
const EXPLAINED = 1e-4;

/** Separate series of loss before the path is called lossy. A single one may be an outage. */
const NOTABLE_SERIES = 3;

/** A path is called lossy only above this ratio: TCP hides smaller loss well. */
const NOTABLE_LOSS = 0.03;
