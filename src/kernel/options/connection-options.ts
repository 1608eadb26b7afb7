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
 * The settings of a connection that decide when its kernel notices a dead peer. sock_diag reports
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
 * Selects what is read. `deciding` skips the times of a keepalive that is off, since they decide
 * nothing; they are reported as 0. `without-keepalive` does the same without reading the switch,
 * where keepalive is known to be off.
 */
export type OptionsWanted = "all" | "deciding" | "without-keepalive";

/** A keepalive that is off and whose times were not read. */
export const KEEPALIVE_OFF: AppliedKeepalive = {
  enabled: false,
  idleMs: 0,
  intervalMs: 0,
  count: 0,
};

/** Reads the options of a connection from its descriptor. @throws `ERR_SOCKET_OPTION` */
export function readOptions(fd: number, wanted: OptionsWanted = "all"): ConnectionOptions {
  const isRead = wanted === "all" || (wanted === "deciding" && isKeepaliveOn(fd));
  const keepalive = isRead ? readKeepalive(fd) : KEEPALIVE_OFF;
  return { keepalive, userTimeoutMs: readUserTimeout(fd), rtoMaxMs: readRtoMax(fd) };
}

/** Fewest probes left with which a keepalive still distinguishes an outage from a death. */
const FEWEST_LEFT = 3;
const LONGEST_JIFFY_MS = 10;
/** The largest values that the kernel's options take. */
export const LARGEST_INTERVAL_MS = 32_767_000;
export const LARGEST_TIMEOUT_MS = 2_147_483_647;
/** With these probes the kernel gives up after 48 days. */
export const LOOSEST_PATIENCE: Pick<AppliedKeepalive, "intervalMs" | "count"> = {
  intervalMs: LARGEST_INTERVAL_MS,
  count: LOOSEST_COUNT,
};

/**
 * Returns the part of `wanted` that a connection with the options `before` survives now.
 *
 * The kernel measures each limit against what has gone unanswered so far. Once the limit is
 * reached, it ends the connection at the next timer without another probe (tcp_timer.c). Only an
 * acknowledgment clears what is used up. So what is used up is added to a count and to a user
 * timeout. A cap on backoff, from which the kernel computes its patience, is not lowered amid
 * retransmissions. docs/internals/kernel.md#options-set-in-the-middle has the table.
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
    // With data in flight or waiting `probes` counts something else, and keepalive does not run.
    keepalive:
      flow === "idle" && wanted.keepalive.enabled
        ? withProbesOnTop(wanted.keepalive, probes)
        : wanted.keepalive,
    userTimeoutMs: bearableTimeoutMs({ ...wanted, rtoMaxMs }, before.userTimeoutMs, flow, info),
    rtoMaxMs,
  };
}

/**
 * Adds the unanswered `probes` to the count. The kernel counts to {@link LOOSEST_COUNT} at most:
 * where fewer probes are left than wanted, they are spread over the same time.
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

  // Without a user timeout the kernel's own patience decides. Where that ends before the kernel
  // sends again, only the user timeout that is already set keeps the connection.
  const sendsAgainAfterMs = (heardAgeMs(info) ?? 0) + (info.rtoMs ?? 0);
  const isSpent =
    flow === "in-flight" &&
    rtoMaxMs !== null &&
    sendsAgainAfterMs >= givesUpAfterMs(rtoMaxMs, readRetries().tcpRetries2);
  return isSpent ? before : 0;
}

/** The options that decide when a user timeout ends a silent connection. */
type TimedBy = Pick<ConnectionOptions, "userTimeoutMs"> &
  Partial<Pick<ConnectionOptions, "keepalive">>;

/**
 * Returns the longest time that may have run on the clock that the kernel compares with a user
 * timeout; 0 where a user timeout cannot end the connection.
 */
function unansweredForMs({ keepalive, userTimeoutMs }: TimedBy, flow: Flow, info: TcpInfo): number {
  const { probes = 0, retransmits = 0, rtoMs = 0, lastDataSentMs = 0 } = info;
  const silentMs = heardAgeMs(info) ?? 0;

  if (flow === "blocked") return Math.max(silentMs, lastDataSentMs);
  if (flow === "in-flight")
    return retransmits === 0 ? 0 : Math.max(silentMs, retransmits * rtoMs + lastDataSentMs);
  if (!keepalive?.enabled) return 0;

  // After a long silence a probe leaves at once. If it is lost, the next tick would end a live
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

/** Caps less than a jiffy apart are the same: the kernel rounds a cap up to jiffies. */
function isSameCap(a: number | null, b: number | null): boolean {
  return a === b || (a !== null && b !== null && Math.abs(a - b) < LONGEST_JIFFY_MS);
}

/**
 * Brings a connection from `before` to as much of `wanted` as it bears, and returns the options
 * read back. The order of setting re-arms the timer last. Where the result is not all of `wanted`,
 * the rest can be set once the peer was heard. Everything that halfopen sets on a connection goes
 * through here.
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

/** Returns whether a connection with the options `before` bears all of `wanted` now. */
export function bears(fd: number, before: ConnectionOptions, wanted: ConnectionOptions): boolean {
  const info = sampleTcpInfo(fd);
  return typeof info === "number" || isSameOptions(bearable(wanted, before, info), wanted);
}

/**
 * Sets a user timeout, counted from now, on a connection whose data is in flight.
 *
 * @throws HalfOpenError `ERR_SOCKET_OPTION`
 */
export function applyTimeoutInFlight(fd: number, userTimeoutMs: number): void {
  const info = sampleTcpInfo(fd);
  const usedMs =
    typeof info === "number" ? 0 : unansweredForMs({ userTimeoutMs }, flowOf(info), info);
  applyUserTimeout(fd, Math.min(LARGEST_TIMEOUT_MS, Math.ceil(userTimeoutMs + usedMs)));
}

/**
 * Returns options with which the kernel does not end a connection because our probes stay
 * unanswered: the program's own keepalive, or, where it has none, the loosest, which probes on
 * demand only. With data to send the program's own cap on backoff returns too, since with ours the
 * kernel would soon have used up its window probes or retransmissions.
 */
export function patientWith(
  own: ConnectionOptions,
  before: ConnectionOptions,
  flow: Flow,
): ConnectionOptions {
  const loosest = { ...before.keepalive, ...LOOSEST_PATIENCE };
  return {
    keepalive: own.keepalive.enabled ? own.keepalive : loosest,
    // With a user timeout the count of the keepalive would protect nothing.
    userTimeoutMs: flow === "in-flight" ? before.userTimeoutMs : 0,
    rtoMaxMs: flow === "idle" ? before.rtoMaxMs : own.rtoMaxMs,
  };
}
