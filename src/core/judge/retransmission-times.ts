/**
 * When the kernel transmits unacknowledged data, in ms from the first transmission. After one
 * timeout comes a tail loss probe, which restarts the timer. Retransmissions follow, each waiting
 * twice as long as the one before, up to a cap. Measured on a LAN (6.18): 0, 0.21, 0.44, 0.85,
 * 1.70, 3.35 s.
 */

/** The longest timeout without a cap (tcp.h, TCP_RTO_MAX), and the most that a cap can be. */
export const UNCAPPED_RTO_MS = 120_000;

/** tcp.h, TCP_RTO_MIN. */
export const SMALLEST_RTO_MS = 200;

/** Returns the timeout without backoff (RFC 6298 2.3, tcp_set_rto). */
export function baseRtoMs(rttMs: number, rttVarMs: number): number {
  return rttMs + Math.max(SMALLEST_RTO_MS, 4 * rttVarMs);
}

/** Returns when the `n`th transmission leaves; the first one is number 1. */
export function nthAttemptAt(n: number, rtoMs: number, rtoMaxMs: number | null): number {
  return n <= 1 ? 0 : walk(rtoMs, rtoMaxMs, (_, count) => count >= n);
}

/** Returns when the earliest transmission leaves that is `spanMs` or more after the first one. */
export function firstAttemptBeyond(spanMs: number, rtoMs: number, rtoMaxMs: number | null): number {
  return walk(rtoMs, rtoMaxMs, (at) => at >= spanMs);
}

/** Returns the instant of the first transmission from the second on for which `isEnough` holds. */
function walk(
  rtoMs: number,
  rtoMaxMs: number | null,
  isEnough: (at: number, count: number) => boolean,
): number {
  const cap = rtoMaxMs ?? UNCAPPED_RTO_MS;
  let at = rtoMs;
  let gap = Math.min(rtoMs, cap);
  for (let count = 2; !isEnough(at, count); count++) {
    at += gap;
    gap = Math.min(gap * 2, cap);
  }
  return at;
}
