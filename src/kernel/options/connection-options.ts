import { givesUpAfterMs, LOOSEST_COUNT } from "../../core/judge/backstop.ts";
import { type Flow, flowOf, heardAgeMs } from "../../core/judge/reading.ts";
import type { TcpInfo } from "../../core/tcp-info.ts";
import { sampleTcpInfo } from "../tcp-info/tcp-info.ts";
import type { AppliedKeepalive } from "./applied-keepalive.ts";
import { applyKeepalive, isKeepaliveOn, isSameKeepalive, readKeepalive } from "./keepalive.ts";
import { readRetries } from "./retries.ts";
import { applyRtoMax, readRtoMax } from "./rto-max.ts";
import { applyUserTimeout, readUserTimeout } from "./user-timeout.ts";

/**
 * The settings of a connection that decide when its kernel notices a dead peer. sock_diag tells
 * none of them.
 */
export interface ConnectionOptions {
  readonly keepalive: AppliedKeepalive;
  /** 0 = none. */
  readonly userTimeoutMs: number;
  /** `null` where the kernel has no such option (Linux < 6.15). */
  readonly rtoMaxMs: number | null;
}

/**
 * `deciding`: of a keepalive that is off the times decide nothing; they are not read, and told as
 * 0. `without-keepalive`: likewise, where it is known to be off.
 */
export type OptionsWanted = "all" | "deciding" | "without-keepalive";

/** A keepalive that is off, where its times were not asked for. */
export const KEEPALIVE_OFF: AppliedKeepalive = {
  enabled: false,
  idleMs: 0,
  intervalMs: 0,
  count: 0,
};

/** Reads them from a descriptor of the connection. @throws HalfOpenError `ERR_SOCKET_OPTION` */
export function readOptions(fd: number, wanted: OptionsWanted = "all"): ConnectionOptions {
  const isRead = wanted === "all" || (wanted === "deciding" && isKeepaliveOn(fd));
  const keepalive = isRead ? readKeepalive(fd) : KEEPALIVE_OFF;
  return { keepalive, userTimeoutMs: readUserTimeout(fd), rtoMaxMs: readRtoMax(fd) };
}

/** With fewer probes left than this a keepalive can no more tell an outage from a death. */
const FEWEST_LEFT = 3;
const LONGEST_JIFFY_MS = 10;
/** The most that the kernel's options take. */
export const LARGEST_INTERVAL_MS = 32_767_000;
export const LARGEST_TIMEOUT_MS = 2_147_483_647;

/**
 * What of `wanted` a connection that has `before` can be given now without being ended by it. The
 * kernel measures each limit against what has gone unanswered so far, and ends the connection at
 * its next timer, without asking once more, if that is as much (tcp_timer.c); only an
 * acknowledgment takes it back. So what is used up comes on top of a count and of a user timeout,
 * and a cap on backoff, from which the kernel reckons its patience, is not lowered in the midst of
 * retransmissions.
 */
export function bearable(
  wanted: ConnectionOptions,
  before: ConnectionOptions,
  info: TcpInfo,
): ConnectionOptions {
  const flow = flowOf(info);
  const { probes = 0, retransmits = 0 } = info;
  const isBackingOff = flow === "in-flight" ? retransmits > 0 : flow === "blocked" && probes > 0;
  const rtoMaxMs =
    isBackingOff && wanted.rtoMaxMs !== null
      ? Math.max(wanted.rtoMaxMs, before.rtoMaxMs ?? 0)
      : wanted.rtoMaxMs;
  return {
    // With data in flight or waiting the counter counts something else, and keepalive does not run.
    keepalive:
      flow === "idle" && wanted.keepalive.enabled
        ? withProbesOnTop(wanted.keepalive, probes)
        : wanted.keepalive,
    userTimeoutMs: bearableTimeoutMs({ ...wanted, rtoMaxMs }, before.userTimeoutMs, flow, info),
    rtoMaxMs,
  };
}

/**
 * The kernel counts to {@link LOOSEST_COUNT}: where that leaves less than the own count, the probes
 * that are left take as long.
 */
function withProbesOnTop(keepalive: AppliedKeepalive, probes: number): AppliedKeepalive {
  if (probes === 0) return keepalive;
  const left = LOOSEST_COUNT - probes;
  if (keepalive.count <= left) return { ...keepalive, count: keepalive.count + probes };
  if (left < FEWEST_LEFT) return { ...keepalive, enabled: false };
  const intervalMs = Math.min(
    LARGEST_INTERVAL_MS,
    1000 * Math.ceil((keepalive.intervalMs * keepalive.count) / left / 1000),
  );
  return { ...keepalive, intervalMs, count: LOOSEST_COUNT };
}

function bearableTimeoutMs(
  wanted: ConnectionOptions,
  before: number,
  flow: Flow,
  info: TcpInfo,
): number {
  const { userTimeoutMs, rtoMaxMs } = wanted;
  const usedMs = unansweredForMs(wanted, flow, info);
  if (usedMs === 0) return userTimeoutMs;
  if (userTimeoutMs > 0) return Math.min(LARGEST_TIMEOUT_MS, Math.ceil(userTimeoutMs + usedMs));
  // Without one the kernel's own patience counts. Where that is over before it sends again, only
  // the one that was there keeps the connection.
  const sendsAgainAfterMs = (heardAgeMs(info) ?? 0) + (info.rtoMs ?? 0);
  const isSpent =
    flow === "in-flight" &&
    rtoMaxMs !== null &&
    sendsAgainAfterMs >= givesUpAfterMs(rtoMaxMs, readRetries().tcpRetries2);
  return isSpent ? before : 0;
}

/** What decides when a silent connection is ended by its user timeout. */
type TimedBy = Pick<ConnectionOptions, "userTimeoutMs"> &
  Partial<Pick<ConnectionOptions, "keepalive">>;

/**
 * For how long, at most, the kernel's clock has run that it compares with a user timeout; 0 where
 * that cannot end the connection.
 */
function unansweredForMs({ keepalive, userTimeoutMs }: TimedBy, flow: Flow, info: TcpInfo): number {
  const { probes = 0, retransmits = 0, rtoMs = 0, lastDataSentMs = 0 } = info;
  const silentMs = heardAgeMs(info) ?? 0;
  if (flow === "blocked") return Math.max(silentMs, lastDataSentMs);
  if (flow === "in-flight")
    return retransmits === 0 ? 0 : Math.max(silentMs, retransmits * rtoMs + lastDataSentMs);
  if (!keepalive?.enabled) return 0;
  // After a long silence a probe leaves at once: it may be lost, and the next tick would end a live
  // connection (docs/internals/kernel.md#nudge).
  const isAskedNow = silentMs >= keepalive.idleMs && 2 * silentMs >= userTimeoutMs;
  return probes > 0 || isAskedNow ? silentMs : 0;
}

export function isSameOptions(a: ConnectionOptions, b: ConnectionOptions): boolean {
  return (
    isSameKeepalive(a.keepalive, b.keepalive) &&
    a.userTimeoutMs === b.userTimeoutMs &&
    isSameCap(a.rtoMaxMs, b.rtoMaxMs)
  );
}

/** The kernel rounds a cap up to jiffies. */
function isSameCap(a: number | null, b: number | null): boolean {
  return a === b || (a !== null && b !== null && Math.abs(a - b) < LONGEST_JIFFY_MS);
}

/**
 * Brings a connection from `before` to what is wanted, as far as it bears it, in an order that
 * re-arms the timer last, and reads back: where that is not what was wanted, the rest can be had
 * when the peer was heard. Everything that halfopen sets on a connection goes through here.
 *
 * @throws HalfOpenError `ERR_SOCKET_OPTION`
 */
export function applyOptions(
  fd: number,
  before: ConnectionOptions,
  wanted: ConnectionOptions,
): ConnectionOptions {
  const info = sampleTcpInfo(fd);
  const now = typeof info === "number" ? wanted : bearable(wanted, before, info);
  if (now.userTimeoutMs !== before.userTimeoutMs) applyUserTimeout(fd, now.userTimeoutMs);
  if (now.rtoMaxMs !== null && now.rtoMaxMs !== before.rtoMaxMs) applyRtoMax(fd, now.rtoMaxMs);
  if (!isSameKeepalive(now.keepalive, before.keepalive)) applyKeepalive(fd, now.keepalive);
  return readOptions(fd);
}

/** Whether a connection that has `before` can be given all that is wanted. */
export function bears(fd: number, before: ConnectionOptions, wanted: ConnectionOptions): boolean {
  const info = sampleTcpInfo(fd);
  return typeof info === "number" || isSameOptions(bearable(wanted, before, info), wanted);
}

/**
 * Sets a user timeout on a connection whose data is in flight, from now on. @throws HalfOpenError
 * `ERR_SOCKET_OPTION`
 */
export function applyTimeoutInFlight(fd: number, userTimeoutMs: number): void {
  const info = sampleTcpInfo(fd);
  const usedMs =
    typeof info === "number" ? 0 : unansweredForMs({ userTimeoutMs }, flowOf(info), info);
  applyUserTimeout(fd, Math.min(LARGEST_TIMEOUT_MS, Math.ceil(userTimeoutMs + usedMs)));
}

/**
 * Options with which the kernel ends nothing for want of answers to our probes: the program's own
 * keepalive, and where it has none the loosest, which probes on demand only. Of a closed window the
 * cap on backoff goes back, which would have its probes used up soon.
 */
export function patientWith(
  own: ConnectionOptions,
  before: ConnectionOptions,
  flow: Flow,
): ConnectionOptions {
  const loosest = { ...before.keepalive, intervalMs: LARGEST_INTERVAL_MS, count: LOOSEST_COUNT };
  return {
    ...before,
    keepalive: own.keepalive.enabled ? own.keepalive : loosest,
    rtoMaxMs: flow === "blocked" ? own.rtoMaxMs : before.rtoMaxMs,
  };
}
