import { isMasked } from "../port/mask.ts";
import { IPPROTO_TCP, TCP_RTO_MAX_MS } from "../port/platform-linux.ts";
import { readInt, writeInt } from "../port/socket-option.ts";

/**
 * Caps the backoff of retransmissions and window probes, in ms. Returns the cap that the kernel
 * holds, rounded up to jiffies (1234 became 1236, measured on 6.18); `null` where the kernel has no
 * cap (Linux < 6.15). Does not re-arm a running timer.
 */
export function applyRtoMax(fd: number, ms: number): number | null {
  if (isMasked("rto-max")) return null;
  return writeInt(fd, IPPROTO_TCP, TCP_RTO_MAX_MS, "TCP_RTO_MAX_MS", ms) ? readRtoMax(fd) : null;
}

export function readRtoMax(fd: number): number | null {
  return isMasked("rto-max") ? null : readInt(fd, IPPROTO_TCP, TCP_RTO_MAX_MS, "TCP_RTO_MAX_MS");
}
