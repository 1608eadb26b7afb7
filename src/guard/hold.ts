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

/** In a hold the kernel probes no more often than this... */
const SHORTEST_INTERVAL_MS = 5000;
/** ...and so often in twice the longest hold. */
const KERNEL_PROBES = 50;
/**
 * The guard itself asks after so long at the soonest, and after this share of what the hold has
 * lasted: a hold of a week then takes 70 probes.
 */
const SOONEST_ASK_MS = 5000;
const ASK_SHARE = 1 / 6;

/**
 * One connection that is not ended while most peers are silent. The kernel counts each probe that
 * is not answered, to 127 and no further, and ends the connection then; so it must be asked seldom
 * for the hold to outlast, and yet often enough to be found back when the path is.
 */
export class Hold {
  readonly #since: Instant;
  #askedAt: Instant;

  constructor(now: Instant) {
    this.#since = now;
    this.#askedAt = now;
  }

  /**
   * Whether the peer is to be asked now, and notes it. In flight the kernel asks, at most as long
   * after an outage as it lasted.
   */
  asks(now: Instant, info: TcpInfo): boolean {
    if (flowOf(info) !== "idle" || (info.probes ?? 0) >= MOST_ASKED) return false;
    if (now - this.#askedAt < Math.max(SOONEST_ASK_MS, ASK_SHARE * (now - this.#since)))
      return false;
    this.#askedAt = now;
    return true;
  }
}

/**
 * Options with which the kernel ends nothing for twice as long as a hold may last, also when nobody
 * comes back to take them off. Data in flight has the kernel's own patience again; where that is
 * shorter, a user timeout as long.
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
