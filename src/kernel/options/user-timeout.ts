import { HalfOpenError } from "../../core/errors.ts";
import { platform } from "../port/platform.ts";
import { IPPROTO_TCP } from "../port/platform-linux.ts";
import { readInt, writeInt } from "../port/socket-option.ts";
import { descriptorOf } from "../process/descriptor.ts";

const LARGEST_MS = Math.max(...platform.userTimeout.map((option) => option.largestMs));

/**
 * Sets the user timeout (RFC 5482) in ms, 0 to 2147483647. Systems that count seconds (macOS,
 * FreeBSD) round up; 0 leaves the kernel's own patience (tcp_retries2). Returns what the kernel
 * then holds. Beware: it also ends the connection to a live peer whose window stays closed for that
 * long.
 *
 * @throws HalfOpenError `ERR_OPTION_RANGE`, `ERR_NOT_SUPPORTED`, `ERR_NOT_CONNECTED`,
 * `ERR_SOCKET_OPTION`
 */
export function setUserTimeout(socket: unknown, ms: number): number {
  const fd = descriptorOf(socket);
  if (!Number.isInteger(ms) || ms < 0 || ms > LARGEST_MS) {
    throw new HalfOpenError(
      "ERR_OPTION_RANGE",
      `the user timeout must be a whole number of milliseconds from 0 to ${LARGEST_MS}, got ${String(ms)}`,
    );
  }
  return applyUserTimeout(fd, ms);
}

/**
 * Reads the user timeout in ms; 0 = none.
 *
 * @throws HalfOpenError `ERR_NOT_SUPPORTED`, `ERR_NOT_CONNECTED`
 */
export function getUserTimeout(socket: unknown): number {
  return readUserTimeout(descriptorOf(socket));
}

export function applyUserTimeout(fd: number, ms: number): number {
  for (const { option, name, unitMs } of platform.userTimeout)
    if (writeInt(fd, IPPROTO_TCP, option, name, Math.ceil(ms / unitMs))) return readUserTimeout(fd);
  const names = platform.userTimeout.map(({ name }) => name).join(", ");
  throw new HalfOpenError(
    "ERR_NOT_SUPPORTED",
    `this system has no ${names}; use a heartbeat to bound data in flight`,
  );
}

export function readUserTimeout(fd: number): number {
  for (const { option, name, unitMs } of platform.userTimeout) {
    const units = readInt(fd, IPPROTO_TCP, option, name);
    if (units !== null) return Math.max(0, units) * unitMs;
  }
  return 0;
}
