import type { Instant } from "../time/instant.ts";

/** Attempts of one silence, or of one stretch of traffic, and how many of them were lost. */
export interface Lesson {
  readonly attempts: number;
  readonly lost: number;
  /** When the first lost one left, and the last. */
  readonly from: Instant;
  readonly to: Instant;
}

/** Round trips this short stay within a building or a data centre. */
export const SHORT_PATH_MS = 2;

/**
 * What is believed of the share of attempts that a path loses: a Beta distribution, whose two
 * numbers are attempts lost and attempts answered. It never grows surer than {@link MEMORY}
 * attempts make it, so that a path that turns bad is believed; and one lost attempt always stays in
 * it, so that a clean past proves little of what comes.
 *
 * The chance that a live peer misses the next n attempts is a product that counts the belief's own
 * uncertainty:
 *
 *   (lost / all) * (lost + 1) / (all + 1) * ... * (lost + n - 1) / (all + n - 1)
 *
 * docs/when-it-fires.md has what follows from it; bench/loss measures it.
 */
export class LossBelief {
  #lost = 0;
  #answered: number;
  #series = 0;

  /** `answered`: what the path is worth before anything was seen of it, in answered attempts. */
  constructor(answered: number = UNKNOWN_PATH) {
    this.#answered = answered;
  }

  /** A belief of its own that begins with what this one has come to. */
  copy(): LossBelief {
    const copy = new LossBelief(this.#answered);
    copy.#lost = this.#lost;
    copy.#series = this.#series;
    return copy;
  }

  /**
   * A path this quick is short, and short paths lose less: it begins surer. Only before anything
   * was seen.
   */
  isShort(): void {
    this.#answered = Math.max(this.#answered, SHORT_PATH);
  }

  /**
   * Takes in `attempts` of which `lost` were lost. Where most were, and more in a row than the path
   * is known for, it was an outage, which tells nothing of the loss to expect otherwise. `weight`:
   * see {@link weightAmong}.
   */
  record(attempts: number, lost: number, weight: number = 1): void {
    const counted = lost > attempts / 2 && this.isOutage(lost) ? 0 : lost;
    const answered = attempts - lost;
    const kept = (1 - 1 / MEMORY) ** (weight * (answered + counted));
    this.#lost = this.#lost * kept + weight * counted;
    this.#answered = this.#answered * kept + weight * answered;
    this.#series = this.#series * kept + (counted > 0 ? 1 : 0);
  }

  /** Whether so many lost in a row are more than the known loss explains. */
  isOutage(lost: number): boolean {
    return lost >= SHORTEST_OUTAGE && lost > this.#longestSeries();
  }

  /** Share of attempts lost, 0 to 1. */
  get ratio(): number {
    return this.#lost === 0 ? 0 : this.#mean;
  }

  /** As good as nothing was lost. */
  get isClean(): boolean {
    return this.#lost < 0.2;
  }

  /** Loss came again and again, and is more than TCP hides. */
  get isNotable(): boolean {
    return this.#series >= NOTABLE_SERIES && this.ratio > NOTABLE_LOSS;
  }

  /**
   * Least number of attempts in a row that a live peer misses with no more than the chance
   * `accepted`; at least two, at most {@link MOST_NEEDED}.
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

  /** The longest series of losses that the known loss explains. */
  #longestSeries(): number {
    return Math.floor(Math.log(EXPLAINED) / Math.log(Math.min(0.99, this.#mean)));
  }

  get #mean(): number {
    const lost = this.#lost + ALWAYS_LOST;
    return lost / (lost + this.#answered);
  }
}

/**
 * What one of many that learn together counts: the memory is then about one attempt of each, not
 * the last moment of a crowd.
 */
export function weightAmong(connections: number): number {
  return Math.min(1, MEMORY / Math.max(1, connections));
}

/**
 * What an unknown path is worth: seven unanswered attempts prove death on it, the most that a
 * budget of 5 s has room for.
 */
const UNKNOWN_PATH = 75;
/** What a path of a LAN is worth, and the most that any path can come to: five or six attempts. */
const SHORT_PATH = 200;
const MEMORY = 200;
const ALWAYS_LOST = 1;
const FEWEST_NEEDED = 2;
/** Below MAX_TCP_KEEPCNT, which is 127. */
const MOST_NEEDED = 60;
/** Two lost in a row are everyday loss. */
const SHORTEST_OUTAGE = 3;
/** A series less likely than this by the known loss is an outage. */
const EXPLAINED = 1e-4;
/** Separate series of loss before the path itself is called lossy; one may be an outage. */
const NOTABLE_SERIES = 3;
/** Loss that deserves a name: below it TCP hides it well. */
const NOTABLE_LOSS = 0.03;
