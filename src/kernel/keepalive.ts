import { HalfOpenError } from "../core/errors.ts";
import { descriptorOf } from "./descriptor.ts";
import { IPPROTO_TCP, SO_KEEPALIVE, SOL_SOCKET, TCP_KEEPCNT, TCP_KEEPIDLE, TCP_KEEPINTVL } from "./platform-linux.ts";
import { readInt, writeInt } from "./socket-option.ts";

/** Keepalive as the kernel holds it, read back. Whole seconds, given in ms. */
export interface AppliedKeepalive {
  readonly enabled: boolean;
  readonly idleMs: number;
  readonly intervalMs: number;
  readonly count: number;
}

export interface KeepaliveSettings {
  /** Silence after which the first probe leaves: 1000 to 32767000 ms; fractions of a second are rounded up. */
  readonly idleMs: number;
  /** Time between probes: 1000 to 32767000 ms; fractions of a second are rounded up. */
  readonly intervalMs: number;
  /** Unanswered probes that end the connection: 1 to 127. */
  readonly count: number;
}

const LARGEST_SECONDS = 32_767;
const LARGEST_COUNT = 127;

/**
 * Sets a connection's keepalive, or switches it off with `false`, and returns what the kernel holds then. Detects a dead peer on
 * an idle connection after idle + interval x count; it does not run while data is in flight.
 *
 * @throws HalfOpenError `ERR_OPTION_RANGE` for what the kernel cannot hold, `ERR_NOT_SUPPORTED`, `ERR_NOT_CONNECTED`, `ERR_SOCKET_OPTION`
 */
export function setKeepalive(socket: unknown, settings: KeepaliveSettings | false): AppliedKeepalive {
  const fd = descriptorOf(socket);
  if (settings === false) return applyKeepalive(fd, { ...readKeepalive(fd), enabled: false });
  checkSeconds("idleMs", settings?.idleMs);
  checkSeconds("intervalMs", settings.intervalMs);
  if (!Number.isInteger(settings.count) || settings.count < 1 || settings.count > LARGEST_COUNT) {
    throw new HalfOpenError("ERR_OPTION_RANGE", `count must be a whole number from 1 to ${LARGEST_COUNT}, got ${settings.count}`);
  }
  return applyKeepalive(fd, { enabled: true, ...settings });
}

/** Reads a connection's keepalive. @throws HalfOpenError `ERR_NOT_SUPPORTED`, `ERR_NOT_CONNECTED` */
export function getKeepalive(socket: unknown): AppliedKeepalive {
  return readKeepalive(descriptorOf(socket));
}

/** Sets and reads back. Idle comes late in the order because it re-arms a running timer and the others do not (kernel.md). */
export function applyKeepalive(fd: number, wanted: AppliedKeepalive): AppliedKeepalive {
  writeInt(fd, IPPROTO_TCP, TCP_KEEPINTVL, "TCP_KEEPINTVL", seconds(wanted.intervalMs));
  writeInt(fd, IPPROTO_TCP, TCP_KEEPCNT, "TCP_KEEPCNT", wanted.count);
  writeInt(fd, IPPROTO_TCP, TCP_KEEPIDLE, "TCP_KEEPIDLE", seconds(wanted.idleMs));
  writeInt(fd, SOL_SOCKET, SO_KEEPALIVE, "SO_KEEPALIVE", wanted.enabled ? 1 : 0);
  return readKeepalive(fd);
}

export function readKeepalive(fd: number): AppliedKeepalive {
  return {
    enabled: readInt(fd, SOL_SOCKET, SO_KEEPALIVE, "SO_KEEPALIVE") === 1,
    idleMs: (readInt(fd, IPPROTO_TCP, TCP_KEEPIDLE, "TCP_KEEPIDLE") ?? 0) * 1000,
    intervalMs: (readInt(fd, IPPROTO_TCP, TCP_KEEPINTVL, "TCP_KEEPINTVL") ?? 0) * 1000,
    count: readInt(fd, IPPROTO_TCP, TCP_KEEPCNT, "TCP_KEEPCNT") ?? 0,
  };
}

function seconds(ms: number): number {
  return Math.ceil(ms / 1000);
}

function checkSeconds(name: string, ms: number): void {
  if (typeof ms === "number" && ms >= 1000 && seconds(ms) <= LARGEST_SECONDS) return;
  const hint = ms > 0 && ms < 1000 ? "; the kernel keeps whole seconds" : "";
  throw new HalfOpenError(
    "ERR_OPTION_RANGE",
    `${name} must be a number of milliseconds from 1000 to ${LARGEST_SECONDS * 1000}, got ${String(ms)}${hint}`,
  );
}
