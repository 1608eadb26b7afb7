import { checkRange } from "../core/detectors/check-range.ts";
import type { DelayLaw } from "../core/detectors/delay-law.ts";

/**
 * Times in which something is wrong: they begin at random (a Poisson process) and last as long as a
 * law says.
 */
export interface EpisodeLaw {
  readonly perHour: number;
  readonly length: DelayLaw;
}

/**
 * A drawn sequence of episodes that do not overlap. May be asked for any instant, forwards at no
 * cost.
 */
export class Episodes {
  readonly #law: EpisodeLaw;
  readonly #random: () => number;
  readonly #begins: number[] = [];
  readonly #ends: number[] = [];
  #drawnUntil = 0;
  #at = 0;

  constructor(law: EpisodeLaw, random: () => number) {
    checkRange("perHour", law.perHour, 0, 3_600_000);
    this.#law = law;
    this.#random = random;
  }

  /** When the episode that covers this instant ends; the instant itself if none does. */
  endOf(at: number): number {
    this.#draw(at);
    while (this.#at > 0 && (this.#begins[this.#at] ?? Number.POSITIVE_INFINITY) > at) this.#at--;
    while (this.#at + 1 < this.#begins.length && (this.#begins[this.#at + 1] as number) <= at)
      this.#at++;
    const begin = this.#begins[this.#at] ?? Number.POSITIVE_INFINITY;
    const end = this.#ends[this.#at] ?? 0;
    return at >= begin && at < end ? end : at;
  }

  /** The first begin after `from`, when there is one up to `until`. */
  beginBetween(from: number, until: number): number | null {
    this.endOf(until);
    let found: number | null = null;
    for (let i = this.#at; i >= 0 && (this.#begins[i] ?? 0) > from; i--) {
      const begin = this.#begins[i] as number;
      if (begin <= until) found = begin;
    }
    return found;
  }

  #draw(until: number): void {
    if (this.#law.perHour <= 0) return;
    const meanGapMs = 3_600_000 / this.#law.perHour;
    while (this.#drawnUntil <= until) {
      const begin = this.#drawnUntil - meanGapMs * Math.log1p(-this.#random());
      const end = begin + this.#law.length.quantile(this.#random());
      this.#begins.push(begin);
      this.#ends.push(end);
      this.#drawnUntil = end;
    }
  }
}
