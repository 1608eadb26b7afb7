import { backstopProbes, isPatient, rtoCapMs } from "../core/judge/backstop.ts";
import type { AppliedKeepalive } from "../kernel/options/applied-keepalive.ts";
import type { ConnectionOptions } from "../kernel/options/connection-options.ts";
import { Cidr } from "../survey/cidr.ts";
import { type ConnectionFilter, matchesOwner, matchesRow } from "../survey/connection-filter.ts";
import type { ConnectionRow } from "../survey/connection-row.ts";

/** Which connections a guard keeps inside which budget. The first rule that matches decides. */
export interface GuardRule {
  readonly name: string;
  readonly match: ConnectionFilter;
  /** How soon a dead peer must be found, ms. */
  readonly detectWithinMs: number;
  /** `false`: settings only, nothing is ended. */
  readonly endsDead: boolean;
  /**
   * Ends also whose peer was never seen to answer keepalive probes, so that its silence proves
   * nothing. Default `false`.
   */
  readonly endsUnproven?: boolean;
  /** Listening sockets too, so that what they accept later is born with the settings. */
  readonly includesListeners: boolean;
  /** A peer on this very host needs no guard: its death is told at once. */
  readonly includesLoopback: boolean;
}

/**
 * The standing settings under which the evidence of a connection stays fresh enough for its budget.
 */
export interface Standing {
  readonly idleMs: number;
  readonly intervalMs: number;
  readonly count: number;
  /** `null`: better left alone. */
  readonly rtoMaxMs: number | null;
  readonly budgetMs: number;
}

const LOOPBACK = [Cidr.parse("127.0.0.0/8"), Cidr.parse("::1")];

export function ruleFor(
  rules: readonly GuardRule[],
  row: ConnectionRow,
  pid: number | null,
  process: string | null,
): GuardRule | null {
  for (const rule of rules) {
    if (row.state === "LISTEN" ? !isListenerMeant(rule) : !rule.includesLoopback && isLoopback(row))
      continue;
    const match = row.state === "LISTEN" ? { ...rule.match, states: [] } : rule.match;
    if (matchesRow(match, row) && matchesOwner(match, pid, process)) return rule;
  }
  return null;
}

/** `idleMs` is what the liveness machine of this budget expects of the kernel. */
export function standingFor(budgetMs: number, idleMs: number, retries2: number): Standing {
  return {
    idleMs,
    ...backstopProbes(budgetMs, idleMs),
    rtoMaxMs: capThatHolds(budgetMs, retries2),
    budgetMs,
  };
}

/**
 * No cap where an administrator lowered tcp_retries2 so far that the kernel would then give up
 * before two budgets: `null`.
 */
function capThatHolds(budgetMs: number, retries2: number): number | null {
  const capMs = rtoCapMs(budgetMs);
  return isPatient(budgetMs, capMs, retries2) ? capMs : null;
}

/**
 * The settings a connection should have, or `null` when it needs none of ours. It only ever
 * tightens the keepalive and the cap: what the program set tighter itself stays. A user timeout of
 * the program's is loosened where the keepalive becomes ours: it ends a silent connection by its
 * length alone, however many probes the count allows (docs/internals/kernel.md#keepalive), and
 * before the keepalive was ours it may never have done so.
 */
export function tighten(before: ConnectionOptions, standing: Standing): ConnectionOptions | null {
  const keepalive = tightenKeepalive(before, standing);
  const { rtoMaxMs } = standing;
  const capMs =
    before.rtoMaxMs === null || rtoMaxMs === null
      ? before.rtoMaxMs
      : Math.min(before.rtoMaxMs, rtoMaxMs);
  if (keepalive === before.keepalive && capMs === before.rtoMaxMs) return null;
  const isOurs = keepalive !== before.keepalive && before.userTimeoutMs > 0;
  const givesUpMs = keepalive.idleMs + keepalive.intervalMs * keepalive.count;
  return {
    keepalive,
    userTimeoutMs: isOurs ? Math.max(before.userTimeoutMs, givesUpMs) : before.userTimeoutMs,
    rtoMaxMs: capMs,
  };
}

function tightenKeepalive(before: ConnectionOptions, standing: Standing): AppliedKeepalive {
  const { keepalive: own } = before;
  if (!own.enabled)
    return {
      enabled: true,
      idleMs: standing.idleMs,
      intervalMs: standing.intervalMs,
      count: standing.count,
    };
  const isFresh = own.idleMs <= standing.idleMs && own.intervalMs <= standing.intervalMs;
  if (
    isFresh &&
    (own.idleMs + own.intervalMs * own.count <= standing.budgetMs || own.count >= standing.count)
  )
    return own;
  return {
    enabled: true,
    idleMs: Math.min(own.idleMs, standing.idleMs),
    intervalMs: Math.min(own.intervalMs, standing.intervalMs),
    count: Math.max(own.count, standing.count),
  };
}

function isLoopback(row: ConnectionRow): boolean {
  return LOOPBACK.some((range) => range.contains(row.remoteBytes));
}

/** A rule that names remote ends says nothing of listeners. */
function isListenerMeant({ match, includesListeners }: GuardRule): boolean {
  return includesListeners && match.remotePorts.length === 0 && match.peers.length === 0;
}
