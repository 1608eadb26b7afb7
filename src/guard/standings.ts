import { ConfirmedVerdict } from "../core/judge/confirmed-verdict.ts";
import type { Instant } from "../core/time/instant.ts";
import { type Standing, standingFor } from "./rule.ts";

/**
 * Keeps the standing settings of each budget in one network namespace: most connections share a few
 * of them.
 */
export class Standings {
  readonly #retries2: () => number;
  readonly #known: Map<number, Standing> = new Map();

  /** `retries2` returns tcp_retries2 of the namespace. */
  constructor(retries2: () => number) {
    this.#retries2 = retries2;
  }

  of(budgetMs: number, now: Instant): Standing {
    let standing = this.#known.get(budgetMs);
    if (!standing) {
      const retries2 = this.#retries2();
      const { rtoMaxMs } = standingFor(budgetMs, 1000, retries2);
      const { plan } = new ConfirmedVerdict({ budgetMs, rtoMaxMs, peer: null }, now);
      standing = standingFor(budgetMs, plan.idleMs, retries2);
      this.#known.set(budgetMs, standing);
    }
    return standing;
  }
}
