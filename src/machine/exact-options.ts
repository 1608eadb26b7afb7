import { type AppliedKeepalive, applyKeepalive, isKeepaliveOn, isSameKeepalive, readKeepalive } from "../kernel/keepalive.ts";
import { applyRtoMax, readRtoMax } from "../kernel/rto-max.ts";
import { applyUserTimeout, readUserTimeout } from "../kernel/user-timeout.ts";
import type { SystemDefaults } from "./system-defaults.ts";

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

/** What must be assumed where the options cannot be read: the system's defaults. A keepalive timer seen by sock_diag proves that keepalive is on. */
export function assumedOptions(defaults: SystemDefaults, isKeepaliveSeen: boolean): ConnectionOptions {
  return {
    keepalive: {
      enabled: isKeepaliveSeen,
      idleMs: defaults.keepaliveIdleMs,
      intervalMs: defaults.keepaliveIntervalMs,
      count: defaults.keepaliveCount,
    },
    userTimeoutMs: 0,
    rtoMaxMs: null,
  };
}

/** Sets what differs, in an order that re-arms the timer last, and reads back. @throws HalfOpenError `ERR_SOCKET_OPTION` */
export function applyOptions(fd: number, before: ConnectionOptions, wanted: ConnectionOptions): ConnectionOptions {
  if (wanted.userTimeoutMs !== before.userTimeoutMs) applyUserTimeout(fd, wanted.userTimeoutMs);
  if (wanted.rtoMaxMs !== null && wanted.rtoMaxMs !== before.rtoMaxMs) applyRtoMax(fd, wanted.rtoMaxMs);
  if (!isSameKeepalive(wanted.keepalive, before.keepalive)) applyKeepalive(fd, wanted.keepalive);
  return readOptions(fd);
}
