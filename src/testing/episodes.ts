import { checkRange } from "../core/detectors/check-range.ts";
import type { DelayLaw } from "../core/detectors/delay-law.ts";

/**
 * Law of times in which something is wrong. Episodes begin at random (a Poisson process), and their
 * lengths are drawn from `length`.
 */
export interface EpisodeLaw {
  readonly perHour: number;
  readonly length: DelayLaw;
}

/**
 * A drawn sequence of episodes that do not overlap. Takes any instant; instants that only move
 * forwards cost nothing.
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

  /** Returns the end of the episode that covers `at`, or `at` itself when none covers it. */
  endOf(at: number): number {
    this.#draw(at);
    while (this.#at > 0 && (this.#begins[this.#at] ?? Number.POSITIVE_INFINITY) > at) this.#at--;
    while (this.#at + 1 < this.#begins.length && (this.#begins[this.#at + 1] as number) <= at)
      this.#at++;
    const begin = this.#begins[this.#at] ?? Number.POSITIVE_INFINITY;
    const end = this.#ends[this.#at] ?? 0;
    return at >= begin && at < end ? end : at;
  }

  /** Returns the first begin of an episode after `from` and up to `until`, or `null`. */
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
