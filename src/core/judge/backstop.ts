import type { TcpInfo } from "../tcp-info.ts";
import { baseRtoMs, SMALLEST_RTO_MS, UNCAPPED_RTO_MS } from "./retransmission-times.ts";

/**
 * The backstop: the kernel's own patience, which ends dead connections when the watching process
 * cannot act. It is looser than any verdict, so that the kernel never ends a live connection
 * (docs/internals/evidence.md#backstop).
 */

/**
 * Returns how many probes of the standing keepalive may go unanswered before the kernel itself ends
 * an idle connection, and how far apart they are.
 */
export function backstopProbes(
  budgetMs: number,
  idleMs: number,
): { readonly intervalMs: number; readonly count: number } {
  const rest = Math.max(0, BACKSTOP_BUDGETS * budgetMs - idleMs);
  const intervalMs = Math.max(1000, Math.ceil(rest / LOOSEST_COUNT / 1000) * 1000);
  return {
    intervalMs,
    count: Math.min(LOOSEST_COUNT, Math.max(FEWEST_PROBES, Math.ceil(rest / intervalMs))),
  };
}

/**
 * Returns the cap on backoff: a fifth of the budget. Under it retransmissions and window probes
 * come often enough to be judged.
 *
 * The cap is never below the kernel's own timeout on this path, or two round trips where these are
 * shorter. So the kernel sends nothing again that is still on its way.
 */
export function rtoCapMs(
  budgetMs: number,
  { rttMs = 0, rttVarMs = rttMs }: Pick<TcpInfo, "rttMs" | "rttVarMs"> = {},
): number {
  const answeredMs =
    CAP_STEP_MS * Math.ceil(Math.min(2 * rttMs, baseRtoMs(rttMs, rttVarMs)) / CAP_STEP_MS);
  return Math.min(UNCAPPED_RTO_MS, Math.max(SMALLEST_CAP_MS, Math.floor(budgetMs / 5), answeredMs));
}

/**
 * Returns the user timeout that data in flight needs behind an open window; 0 where the kernel's
 * own patience lasts long enough. It may not with a long budget, a lowered tcp_retries2, or with no
 * cap on backoff in force (`capMs` is `null`). One that stands while the connection is idle stands
 * in for the count of the keepalive too, and is no shorter.
 */
export function inFlightUserTimeoutMs(
  budgetMs: number,
  capMs: number | null,
  retries2: number,
  zeroWindowToleranceMs: number,
): number {
  if (capMs !== null && isPatient(budgetMs, capMs, retries2)) return 0;
  const timeoutMs = standInTimeoutMs(budgetMs, zeroWindowToleranceMs);
  return isHasty(budgetMs, capMs, retries2) ? Math.max(timeoutMs, FEWEST_PROBES * 1000) : timeoutMs;
}

/**
 * Returns whether the kernel's own patience with data in flight may be over before a check has seen
 * that data, which takes a budget at most.
 */
export function isHasty(budgetMs: number, capMs: number | null, retries2: number): boolean {
  return givesUpAfterMs(capMs ?? UNCAPPED_RTO_MS, retries2) < budgetMs;
}

/** Returns whether the kernel's own patience with data in flight lasts two budgets. */
export function isPatient(budgetMs: number, capMs: number, retries2: number): boolean {
  return givesUpAfterMs(capMs, retries2) >= 2 * budgetMs;
}

/**
 * Returns the user timeout that stands in for this process: three budgets, but no less than a live
 * peer may keep its window closed.
 */
export function standInTimeoutMs(budgetMs: number, zeroWindowToleranceMs: number): number {
  return Math.max(zeroWindowToleranceMs, BACKSTOP_BUDGETS * budgetMs);
}

/**
 * Returns how long the kernel retries data in flight before it gives up: the sum of the backoff up
 * to the cap (tcp_timer.c, tcp_model_timeout).
 */
export function givesUpAfterMs(capMs: number, retries2: number): number {
  let sum = 0;
  for (let i = 0; i <= retries2; i++) sum += Math.min(MODEL_RTO_MS * 2 ** i, capMs);
  return sum;
}

/** The backstop acts after this many budgets, where the kernel's limits allow. */
const BACKSTOP_BUDGETS = 3;

/** MAX_TCP_KEEPCNT: so high that probes on demand can hardly end a connection. */
export const LOOSEST_COUNT = 127;

/**
 * With this many probes unanswered none is sent on demand any more: the rest of the count is for
 * the kernel's own probes.
 */
export const MOST_ASKED = 100;

/**
 * A path that loses a third of all round trips needs some twenty probes before silence proves
 * death, and the kernel must not end the connection first.
 */
const FEWEST_PROBES = 40;

/** The least that TCP_RTO_MAX_MS takes. */
export const SMALLEST_CAP_MS = 1000;

/** The cap is a multiple of this, so that small differences in round trips do not change it. */
const CAP_STEP_MS = 100;

/**
 * The kernel computes its own patience from this timeout, whatever the connection's own is
 * (tcp_timer.c, TCP_RTO_MIN).
 */
const MODEL_RTO_MS = SMALLEST_RTO_MS;
