import { backstopProbes, isPatient, rtoCapMs } from "../core/judge/backstop.ts";
import type { NetworkNamespace } from "../kernel/netlink/network-namespace.ts";
import type { AppliedKeepalive } from "../kernel/options/applied-keepalive.ts";
import type { ConnectionOptions } from "../kernel/options/connection-options.ts";
import { Cidr } from "../survey/cidr.ts";
import {
  type ConnectionFilter,
  matchesNamespace,
  matchesOwner,
  matchesRow,
} from "../survey/connection-filter.ts";
import type { ConnectionRow } from "../survey/connection-row.ts";
import type { SocketOwner } from "../survey/owners.ts";

/** Selects connections, and sets the budget that a guard keeps them in. The first match decides. */
export interface GuardRule {
  readonly name: string;
  readonly match: ConnectionFilter;
  /** The time within which a dead peer must be found, ms. */
  readonly detectWithinMs: number;
  /** The longest outage that must not end a connection, ms; default 0.4 of the budget. */
  readonly surviveOutageMs?: number | undefined;
  /** `false`: the guard changes settings only and ends nothing. */
  readonly endsDead: boolean;
  /**
   * Ends connections also when their peer was never seen to answer keepalive probes, so that its
   * silence proves nothing. Default `false`.
   */
  readonly endsUnproven?: boolean;
  /** Covers listening sockets too, so that connections inherit the settings when accepted. */
  readonly includesListeners: boolean;
  /** Covers peers on this host too. They need no guard: the kernel reports their death at once. */
  readonly includesLoopback: boolean;
}

/** Standing settings that keep the evidence of a connection fresh enough for its budget. */
export interface Standing {
  readonly idleMs: number;
  readonly intervalMs: number;
  readonly count: number;
  /** `null`: the cap is better left as it is. */
  readonly rtoMaxMs: number | null;
  readonly budgetMs: number;
}

/** Returns whether a connection in doubt can be judged on under the other rule. */
export function isSameBudget(a: GuardRule, b: GuardRule): boolean {
  return a.detectWithinMs === b.detectWithinMs && a.surviveOutageMs === b.surviveOutageMs;
}

/** Returns the first rule that covers the socket, or `null`. */
export function ruleFor(
  rules: readonly GuardRule[],
  row: ConnectionRow,
  owner: SocketOwner | null,
  namespace: NetworkNamespace | null,
): GuardRule | null {
  for (const rule of rules) {
    if (row.state === "LISTEN" ? !isListenerMeant(rule) : !rule.includesLoopback && isLoopback(row))
      continue;
    const match = row.state === "LISTEN" ? { ...rule.match, states: [] } : rule.match;
    if (!matchesRow(match, row) || !matchesOwner(match, owner)) continue;
    if (matchesNamespace(match, namespace)) return rule;
  }
  return null;
}

/**
 * Returns the standing settings of a budget. `idleMs`: the idle time that the verdict of this
 * budget plans with.
 */
export function standingFor(budgetMs: number, idleMs: number, retries2: number): Standing {
  return {
    idleMs,
    ...backstopProbes(budgetMs, idleMs),
    rtoMaxMs: capThatHolds(budgetMs, retries2),
    budgetMs,
  };
}

/**
 * Returns `null` where a cap would make the kernel give up before two budgets, because an
 * administrator lowered tcp_retries2.
 */
function capThatHolds(budgetMs: number, retries2: number): number | null {
  const capMs = rtoCapMs(budgetMs);
  return isPatient(budgetMs, capMs, retries2) ? capMs : null;
}

/**
 * Returns the settings that a connection should have, or `null` when it needs none of ours. Only
 * tightens the keepalive and the cap: tighter ones of the program stay. Where the keepalive becomes
 * ours, a user timeout of the program is loosened. It ends a silent connection by its length alone,
 * however many probes the count allows (docs/internals/kernel.md#keepalive), and without our
 * keepalive it might never have done so.
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

/**
 * True when the kernel gives up sooner under these settings than under the standing ones. Such a
 * connection, with tighter settings of its program's own, has no probe to spare for a nudge.
 */
export function isTighter(
  { keepalive, userTimeoutMs }: ConnectionOptions,
  { idleMs, intervalMs, count }: Standing,
): boolean {
  return (
    keepalive.count < count || (userTimeoutMs > 0 && userTimeoutMs < idleMs + intervalMs * count)
  );
}

const LOOPBACK = [Cidr.parse("127.0.0.0/8"), Cidr.parse("::1")];

function isLoopback(row: ConnectionRow): boolean {
  return LOOPBACK.some((range) => range.contains(row.remoteBytes));
}

/** False for a rule that names remote ends: listeners have none. */
function isListenerMeant({ match, includesListeners }: GuardRule): boolean {
  return includesListeners && match.remotePorts.length === 0 && match.peers.length === 0;
}
