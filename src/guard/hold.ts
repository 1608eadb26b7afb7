import { givesUpAfterMs, LOOSEST_COUNT, MOST_ASKED } from "../core/judge/backstop.ts";
import { flowOf } from "../core/judge/reading.ts";
import { UNCAPPED_RTO_MS } from "../core/judge/retransmission-times.ts";
import type { TcpInfo } from "../core/tcp-info.ts";
import type { Instant } from "../core/time/instant.ts";
import {
  type ConnectionOptions,
  LARGEST_INTERVAL_MS,
  LARGEST_TIMEOUT_MS,
} from "../kernel/options/connection-options.ts";

/**
 * The schedule of probes on one connection that is not ended while most peers are silent. The
 * kernel counts unanswered probes and ends the connection after 127. So probes must be rare enough
 * for the connection to outlast the hold, yet frequent enough to find the peer soon after the path
 * is back.
 */
export class Hold {
  readonly #since: Instant;
  #askedAt: Instant;

  constructor(now: Instant) {
    this.#since = now;
    this.#askedAt = now;
  }

  /**
   * Returns whether a probe must leave now, and takes it for sent. With data in flight the kernel
   * itself sends again, at the latest as long after an outage as the outage lasted.
   */
  asks(now: Instant, info: TcpInfo): boolean {
    if (flowOf(info) !== "idle" || (info.probes ?? 0) >= MOST_ASKED) return false;

    if (now - this.#askedAt < Math.max(SOONEST_ASK_MS, ASK_SHARE * (now - this.#since)))
      return false;

    this.#askedAt = now;
    return true;
  }
}

/** The guard sends a probe no sooner than this after the last one... */
const SOONEST_ASK_MS = 5000;

/** ...nor before this share of the hold's length so far. A hold of a week then takes 70 probes. */
const ASK_SHARE = 1 / 6;

/**
 * Returns options with which the kernel ends nothing for twice the longest hold, even if no guard
 * comes back to remove them. Data in flight gets the kernel's own patience back; where that is
 * shorter than twice the hold, a user timeout of that length.
 */
export function patientFor(
  holdAtMostMs: number,
  before: ConnectionOptions,
  isInFlight: boolean,
  retries2: number,
): ConnectionOptions {
  const outlastMs = Math.min(LARGEST_TIMEOUT_MS, 2 * holdAtMostMs);
  const intervalMs = Math.max(
    SHORTEST_INTERVAL_MS,
    1000 * Math.ceil(outlastMs / KERNEL_PROBES / 1000),
  );

  return {
    keepalive: {
      ...before.keepalive,
      count: LOOSEST_COUNT,
      intervalMs: Math.min(LARGEST_INTERVAL_MS, intervalMs),
    },
    userTimeoutMs:
      isInFlight && givesUpAfterMs(UNCAPPED_RTO_MS, retries2) < outlastMs ? outlastMs : 0,
    rtoMaxMs: before.rtoMaxMs === null ? null : UNCAPPED_RTO_MS,
  };
}

/** In a hold the kernel probes no more often than this... */
const SHORTEST_INTERVAL_MS = 5000;

/** ...and this many times in twice the longest hold. */
const KERNEL_PROBES = 50;
