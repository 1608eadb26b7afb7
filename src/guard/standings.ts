import { ConfirmedVerdict } from "../core/judge/confirmed-verdict.ts";
import type { Instant } from "../core/time/instant.ts";
import { type GuardRule, type Standing, standingFor } from "./rule.ts";

type Budget = Pick<GuardRule, "detectWithinMs" | "surviveOutageMs">;

/**
 * Keeps the standing settings of each budget in one network namespace: most connections share a few
 * of them.
 */
export class Standings {
  readonly #retries2: () => number;
  readonly #known: Map<string, Standing> = new Map();

  /** `retries2` returns tcp_retries2 of the namespace. */
  constructor(retries2: () => number) {
    this.#retries2 = retries2;
  }

  of({ detectWithinMs: budgetMs, surviveOutageMs }: Budget, now: Instant): Standing {
    const key = `${budgetMs} ${surviveOutageMs}`;
    let standing = this.#known.get(key);
    if (!standing) {
      const retries2 = this.#retries2();
      const { rtoMaxMs } = standingFor(budgetMs, 1000, retries2);
      const { plan } = new ConfirmedVerdict(
        { budgetMs, surviveOutageMs, rtoMaxMs, peer: null },
        now,
      );
      standing = standingFor(budgetMs, plan.idleMs, retries2);
      this.#known.set(key, standing);
    }
    return standing;
  }
}
