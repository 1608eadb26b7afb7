import { HalfOpenError } from "../errors.ts";

/** Major and minor number of a Linux release. */
export type KernelVersion = readonly [number, number];

/** The release that brought tcp_syn_linear_timeouts. */
export const HAS_LINEAR_SYN_TIMEOUTS: KernelVersion = [6, 5];
/** The release that brought TCP_RTO_MAX_MS, the cap of one connection. */
export const HAS_CONNECTION_RTO_MAX: KernelVersion = [6, 15];
/** The release from which the user timeout counts behind a closed window too: 9d9b1ee0b2d1. */
const HAS_ZERO_WINDOW_LIMIT: KernelVersion = [5, 11];
/** The long-term releases that got a backport of 9d9b1ee0b2d1. */
const BACKPORTED_TO = ["5.4", "5.10"];

/** Reads `6.1`, or the release that uname reports: `6.1.0-13-amd64`. */
export function parseKernel(text: string): KernelVersion {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(text) ?? [];
  if (major !== undefined && minor !== undefined) return [Number(major), Number(minor)];
  throw new HalfOpenError(
    "ERR_OPTION_RANGE",
    `kernel must be a Linux release such as "6.1", got ${JSON.stringify(text)}`,
  );
}

export function isAtLeast(
  [major, minor]: KernelVersion,
  [needsMajor, needsMinor]: KernelVersion,
): boolean {
  return major > needsMajor || (major === needsMajor && minor >= needsMinor);
}

export function hasUserTimeoutAtZeroWindow(kernel: KernelVersion): boolean {
  return isAtLeast(kernel, HAS_ZERO_WINDOW_LIMIT) || BACKPORTED_TO.includes(kernel.join("."));
}
