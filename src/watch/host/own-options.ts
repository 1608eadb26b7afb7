import { NUDGE_IDLE_MS } from "../../kernel/nudge.ts";
import type { AppliedKeepalive } from "../../kernel/options/applied-keepalive.ts";
import type { ConnectionOptions } from "../../kernel/options/connection-options.ts";
import { isSameKeepalive } from "../../kernel/options/keepalive.ts";

/** What a watch has set on a connection, and what the program had. */
export interface OptionsSet {
  readonly saved: ConnectionOptions;
  readonly keepalive: AppliedKeepalive;
  /** The user timeout that was set, without what was used up at that time; 0: none. */
  readonly userTimeoutMs: number;
}

/**
 * Returns the program's own options of a connection on which `found` was read: what it had, and
 * what libuv, a client or the program itself has set since. Values that differ from ours are
 * theirs, and are restored when the watch ends.
 */
export function ownOptionsIn(
  found: ConnectionOptions,
  { saved, keepalive, userTimeoutMs }: OptionsSet,
): ConnectionOptions {
  const isOurKeepalive = isOurs(found.keepalive, keepalive);
  // Ours is longer by what was used up.
  const isOurTimeout =
    userTimeoutMs === 0 ? found.userTimeoutMs === 0 : found.userTimeoutMs >= userTimeoutMs;
  if (isOurKeepalive && isOurTimeout) return saved;
  return {
    keepalive: isOurKeepalive ? saved.keepalive : foreignIn(found.keepalive, keepalive, saved),
    userTimeoutMs: isOurTimeout ? saved.userTimeoutMs : found.userTimeoutMs,
    rtoMaxMs: saved.rtoMaxMs,
  };
}

/** A program that set the idle time alone, or switched keepalive on, left our pace untouched. */
function foreignIn(
  found: AppliedKeepalive,
  ours: AppliedKeepalive,
  { keepalive: { intervalMs, count } }: ConnectionOptions,
): AppliedKeepalive {
  const isOurPace = found.intervalMs === ours.intervalMs && found.count >= ours.count;
  return isOurPace ? { ...found, intervalMs, count } : found;
}

/**
 * Returns whether the keepalive found is ours. Another process that nudged the peer may have left
 * the idle time short, and the count looser by the unanswered probes.
 */
function isOurs(
  { enabled, idleMs, intervalMs, count }: AppliedKeepalive,
  ours: AppliedKeepalive,
): boolean {
  if (enabled !== ours.enabled || intervalMs !== ours.intervalMs) return false;
  return enabled
    ? (idleMs === ours.idleMs || idleMs === NUDGE_IDLE_MS) && count >= ours.count
    : isSameKeepalive(ours, { ...ours, idleMs, count });
}
