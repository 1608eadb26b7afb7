import { HalfOpenError } from "../../core/errors.ts";
import { platform } from "../port/platform.ts";
import { IPPROTO_TCP } from "../port/platform-linux.ts";
import { readInt, writeInt } from "../port/socket-option.ts";
import { descriptorOf, realSocketOf } from "../process/descriptor.ts";
import type { AppliedKeepalive } from "./applied-keepalive.ts";
import { applyWin32Keepalive, readWin32Keepalive } from "./keepalive-win32.ts";

export interface KeepaliveSettings {
  /**
   * Silence after which the first probe leaves: 1000 to 32767000 ms; fractions of a second are
   * rounded up. Windows: from 1 ms, exact.
   */
  readonly idleMs: number;
  /** Time between probes: as `idleMs`. */
  readonly intervalMs: number;
  /**
   * Unanswered probes that end the connection: 1 to 127. Windows before 10 1703, and Wine, have a
   * fixed count.
   */
  readonly count: number;
}

const { solSocket, soKeepalive, idle, interval, count } = platform;
const isWin32 = process.platform === "win32";
/** SIO_KEEPALIVE_VALS takes ms; all other systems keep whole seconds. */
const SMALLEST_MS = isWin32 ? 1 : 1000;

/**
 * Sets a connection's keepalive, or switches it off with `false`, and returns what the kernel holds
 * then. Detects a dead peer on an idle connection after idle + interval x count; it does not run
 * while data is in flight.
 *
 * @throws HalfOpenError `ERR_OPTION_RANGE` for what the kernel cannot hold, `ERR_NOT_SUPPORTED`,
 * `ERR_NOT_CONNECTED`, `ERR_SOCKET_OPTION`
 */
export function setKeepalive(
  socket: unknown,
  settings: KeepaliveSettings | false,
): AppliedKeepalive {
  const fd = descriptorOf(socket);
  if (settings === false) return switchOff(fd, socket);

  checkTime("idleMs", settings?.idleMs, idle.largestMs);
  checkTime("intervalMs", settings.intervalMs, interval.largestMs);
  if (!Number.isInteger(settings.count) || settings.count < 1 || settings.count > count.largest) {
    throw new HalfOpenError(
      "ERR_OPTION_RANGE",
      `count must be a whole number from 1 to ${count.largest}, got ${settings.count}`,
    );
  }

  const wanted = { ...settings, enabled: true };
  return isWin32
    ? applyWin32Keepalive(fd, realSocketOf(socket), wanted)
    : applyKeepalive(fd, wanted);
}

/** Leaves the times as they are, for whoever switches keepalive on again. */
function switchOff(fd: number, socket: unknown): AppliedKeepalive {
  writeInt(fd, solSocket, soKeepalive, "SO_KEEPALIVE", 0);
  return getKeepalive(socket);
}

/**
 * Reads a connection's keepalive.
 *
 * @throws HalfOpenError `ERR_NOT_SUPPORTED`, `ERR_NOT_CONNECTED`
 */
export function getKeepalive(socket: unknown): AppliedKeepalive {
  const fd = descriptorOf(socket);
  return isWin32 ? readWin32Keepalive(fd, realSocketOf(socket)) : readKeepalive(fd);
}

/**
 * Sets keepalive and reads it back. Idle comes late in the order because it re-arms a running timer
 * and the others do not: docs/internals/kernel.md#options-set-in-the-middle.
 */
export function applyKeepalive(fd: number, wanted: AppliedKeepalive): AppliedKeepalive {
  writeInt(
    fd,
    IPPROTO_TCP,
    interval.option,
    interval.name,
    units(wanted.intervalMs, interval.unitMs),
  );
  writeInt(fd, IPPROTO_TCP, count.option, count.name, wanted.count);
  writeInt(fd, IPPROTO_TCP, idle.option, idle.name, units(wanted.idleMs, idle.unitMs));
  writeInt(fd, solSocket, soKeepalive, "SO_KEEPALIVE", wanted.enabled ? 1 : 0);
  return readKeepalive(fd);
}

export function readKeepalive(fd: number): AppliedKeepalive {
  return {
    enabled: isKeepaliveOn(fd),
    idleMs: (readInt(fd, IPPROTO_TCP, idle.option, idle.name) ?? 0) * idle.unitMs,
    intervalMs: (readInt(fd, IPPROTO_TCP, interval.option, interval.name) ?? 0) * interval.unitMs,
    count: readInt(fd, IPPROTO_TCP, count.option, count.name) ?? 0,
  };
}

export function isKeepaliveOn(fd: number): boolean {
  return (readInt(fd, solSocket, soKeepalive, "SO_KEEPALIVE") ?? 0) !== 0;
}

function units(ms: number, unitMs: number): number {
  return Math.ceil(ms / unitMs);
}

function checkTime(name: string, ms: number, largestMs: number): void {
  if (typeof ms === "number" && ms >= SMALLEST_MS && ms <= largestMs) return;
  const hint = ms > 0 && ms < SMALLEST_MS ? "; the kernel keeps whole seconds" : "";
  throw new HalfOpenError(
    "ERR_OPTION_RANGE",
    `${name} must be a number of milliseconds from ${SMALLEST_MS} to ${largestMs}, got ${String(ms)}${hint}`,
  );
}

export function isSameKeepalive(a: AppliedKeepalive, b: AppliedKeepalive): boolean {
  return (
    a.enabled === b.enabled &&
    a.idleMs === b.idleMs &&
    a.intervalMs === b.intervalMs &&
    a.count === b.count
  );
}
