import { KEEPALIVE_LATENESS_MS, TIMER_LATE } from "./lateness.ts";
import {
  flightLatenessMs,
  LEAST_IDLE_MS,
  LEAST_QUIET_MS,
  quietBoundMs,
  returnMs,
} from "./outage-bound.ts";
import { ANSWER_WINDOW_MS, defaultOutageMs, SMALLEST_BUDGET_MS } from "./probe-plan.ts";

/** The times by which a peer's process is judged. All in ms. */
export interface ProcessTerms {
  /** Silence of the process after which it gets a heartbeat; default 0.4 budgets. */
  readonly quietMs: number;
  /** Time for the answer, once the peer's kernel was heard after a heartbeat or an outage. */
  readonly answerMs: number;
  /**
   * The budget where nothing is known of the host, so that TCP's own delays count too: never below
   * what keepalive keeps.
   */
  readonly aloneMs: number;
}

/**
 * Returns what a budget and an outage leave for the process. TCP repeats what an outage swallowed:
 * a heartbeat by our backoff, an answer by the peer's, which nobody caps.
 *
 * Where the outage is longer than the default, the heartbeat leaves so early that the host's judge
 * has seen it outlast the outage within the budget.
 */
export function processTerms(
  budgetMs: number,
  surviveOutageMs: number | null,
  hasRtoCap: boolean,
): ProcessTerms {
  const shareMs = defaultOutageMs(budgetMs);
  if (surviveOutageMs === null || surviveOutageMs <= shareMs)
    return { quietMs: shareMs, answerMs: shareMs, aloneMs: Math.max(budgetMs, SMALLEST_BUDGET_MS) };

  // The outage may show by a standing probe before the heartbeat.
  const boundMs = quietBoundMs(budgetMs, surviveOutageMs, hasRtoCap);
  const isShownBefore = boundMs >= LEAST_IDLE_MS + KEEPALIVE_LATENESS_MS;
  const quietMs = isShownBefore ? shareMs : Math.max(LEAST_QUIET_MS, Math.min(shareMs, boundMs));
  return {
    quietMs,
    answerMs: Math.max(shareMs, TIMER_LATE * surviveOutageMs + ANSWER_WINDOW_MS),
    aloneMs: Math.max(
      budgetMs,
      SMALLEST_BUDGET_MS,
      quietMs + returnMs(budgetMs, surviveOutageMs, false) + flightLatenessMs(budgetMs),
    ),
  };
}
