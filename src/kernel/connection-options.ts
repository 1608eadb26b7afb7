import { flowOf } from "../core/flow.ts";
import { type AppliedKeepalive, applyKeepalive, isKeepaliveOn, isSameKeepalive, readKeepalive } from "./keepalive.ts";
import { applyRtoMax, readRtoMax } from "./rto-max.ts";
import { sampleTcpInfo } from "./tcp-info.ts";
import { applyUserTimeout, readUserTimeout } from "./user-timeout.ts";

/** The settings of a connection that decide when its kernel notices a dead peer. sock_diag tells none of them. */
export interface ConnectionOptions {
  readonly keepalive: AppliedKeepalive;
  /** 0 = none. */
  readonly userTimeoutMs: number;
  /** `null` where the kernel has no such option (Linux < 6.15). */
  readonly rtoMaxMs: number | null;
}

/**
 * `deciding`: of a keepalive that is off the times decide nothing; they are not read, and told as 0. `without-keepalive`: likewise, where it
 * is known to be off.
 */
export type OptionsWanted = "all" | "deciding" | "without-keepalive";

/** A keepalive that is off, where its times were not asked for. */
export const KEEPALIVE_OFF: AppliedKeepalive = { enabled: false, idleMs: 0, intervalMs: 0, count: 0 };

/** Reads them from a descriptor of the connection. @throws HalfOpenError `ERR_SOCKET_OPTION` */
export function readOptions(fd: number, wanted: OptionsWanted = "all"): ConnectionOptions {
  const isRead = wanted === "all" || (wanted === "deciding" && isKeepaliveOn(fd));
  const keepalive = isRead ? readKeepalive(fd) : KEEPALIVE_OFF;
  return { keepalive, userTimeoutMs: readUserTimeout(fd), rtoMaxMs: readRtoMax(fd) };
}

/** MAX_TCP_KEEPCNT: so loose that asking can hardly end a connection. */
export const LOOSEST_COUNT = 127;

/**
 * What of `wanted` can be set now without ending the connection, where `probes` keepalive probes are unanswered. The kernel ends it at the next
 * timer once so many are as many as the count, or, with a user timeout, once the silence is as long (tcp_timer.c); only an acknowledgment takes
 * them back. So the program's own count comes on top of what others sent, and its user timeout waits until the peer was heard.
 */
export function bearable(wanted: ConnectionOptions, probes: number): ConnectionOptions {
  const { keepalive } = wanted;
  if (probes === 0 || !keepalive.enabled) return wanted;
  return { ...wanted, keepalive: { ...keepalive, count: Math.min(LOOSEST_COUNT, keepalive.count + probes) }, userTimeoutMs: 0 };
}

export function isSameOptions(a: ConnectionOptions, b: ConnectionOptions): boolean {
  return isSameKeepalive(a.keepalive, b.keepalive) && a.userTimeoutMs === b.userTimeoutMs && a.rtoMaxMs === b.rtoMaxMs;
}

/**
 * Brings a connection from `before` to what is wanted, as far as it bears it, in an order that re-arms the timer last, and reads back: where that is
 * not what was wanted, the rest can be had when the peer was heard. Everything that halfopen sets on a connection goes through here.
 *
 * @throws HalfOpenError `ERR_SOCKET_OPTION`
 */
export function applyOptions(fd: number, before: ConnectionOptions, wanted: ConnectionOptions): ConnectionOptions {
  const now = bearable(wanted, unansweredProbes(fd));
  if (now.userTimeoutMs !== before.userTimeoutMs) applyUserTimeout(fd, now.userTimeoutMs);
  if (now.rtoMaxMs !== null && now.rtoMaxMs !== before.rtoMaxMs) applyRtoMax(fd, now.rtoMaxMs);
  if (!isSameKeepalive(now.keepalive, before.keepalive)) applyKeepalive(fd, now.keepalive);
  return readOptions(fd);
}

/** With data in flight or waiting the same counter counts something else, and keepalive does not run. */
function unansweredProbes(fd: number): number {
  const info = sampleTcpInfo(fd);
  return typeof info === "number" || flowOf(info) !== "idle" ? 0 : (info.probes ?? 0);
}
