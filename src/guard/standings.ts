import { ConfirmedVerdict } from "../core/judge/confirmed-verdict.ts";
import type { Instant } from "../core/time/instant.ts";
import { type Standing, standingFor } from "./rule.ts";

/**
 * Keeps the standing settings of each budget in each network namespace: most connections share a
 * few of them.
 */
export class Standings {
  readonly #retries2: (namespaceIndex: number) => number;
  readonly #known: Map<string, Standing> = new Map();

  /** `retries2` returns tcp_retries2 of a namespace. */
  constructor(retries2: (namespaceIndex: number) => number) {
    this.#retries2 = retries2;
  }

  of(budgetMs: number, namespaceIndex: number, now: Instant): Standing {
    const key = `${budgetMs} ${namespaceIndex}`;
    let standing = this.#known.get(key);
    if (!standing) {
      const retries2 = this.#retries2(namespaceIndex);
      const { rtoMaxMs } = standingFor(budgetMs, 1000, retries2);
      const { plan } = new ConfirmedVerdict({ budgetMs, rtoMaxMs, peer: null }, now);
      standing = standingFor(budgetMs, plan.idleMs, retries2);
      this.#known.set(key, standing);
    }
    return standing;
  }
}
