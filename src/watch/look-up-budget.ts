import type { Instant } from "../core/time/instant.ts";

/**
 * Keeps look-ups that many connections want at once from becoming a pause: `most` at once, then one
 * in `everyMs`. A look-up that is refused is left out.
 */
export class LookUpBudget {
  readonly #most: number;
  readonly #everyMs: number;
  #left: number;
  #countedAt: Instant = 0;

  constructor(most: number, everyMs: number) {
    this.#most = most;
    this.#everyMs = everyMs;
    this.#left = most;
  }

  /** Takes one look-up from the budget. Returns `false` if none is left. */
  take(now: Instant): boolean {
    const more = Math.floor((now - this.#countedAt) / this.#everyMs);
    if (more > 0) {
      this.#left = Math.min(this.#most, this.#left + more);
      this.#countedAt = now;
    }
    if (this.#left === 0) return false;
    this.#left--;
    return true;
  }
}
