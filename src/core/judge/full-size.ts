import type { TcpInfo } from "../tcp-info.ts";
import type { Instant } from "../time/instant.ts";
import { ownLatenessMs } from "./lateness.ts";
import type { Silence } from "./silence.ts";

/**
 * Segments up to this size pass every path: the least MTU of IPv6 is 1280 (RFC 8200, 5), less 60
 * bytes of headers. A larger one may be lost for its size alone, where a hop drops it and the
 * report of it (RFC 4821, RFC 2923 2.1).
 */
const PASSES_ANYWHERE_BYTES = 1220;

/**
 * Returns whether every segment that waits for an acknowledgment is larger than what passes any
 * path. Then a path that drops large segments explains the silence as well as a dead host.
 *
 * A small segment among them would have been acknowledged (SACK), so it proves that this is no
 * question of size. As far as the numbers leave open, one segment may be shorter than the rest.
 */
export function isOnlyFullSize(info: TcpInfo): boolean {
  const { unackedSegments = 0, sackedSegments = 0, sendMssBytes = 0, probes = 0 } = info;
  const { bytesSent, bytesRetransmitted, bytesAcked } = info;
  if (bytesSent === undefined || bytesRetransmitted === undefined || bytesAcked === undefined)
    return false;

  // Probes are small, and these went unanswered.
  if (probes > 0 || sendMssBytes <= PASSES_ANYWHERE_BYTES) return false;
  const segments = unackedSegments - sackedSegments;
  const missing = segments * sendMssBytes - (bytesSent - bytesRetransmitted - bytesAcked);
  return segments > 0 && missing < sendMssBytes - PASSES_ANYWHERE_BYTES;
}

/**
 * Returns whether large segments passed on this connection before, as far as the mean size of what
 * was acknowledged shows.
 */
export function hasFullSizePassed({ bytesAcked = 0, deliveredSegments = 0 }: TcpInfo): boolean {
  return bytesAcked > deliveredSegments * (PASSES_ANYWHERE_BYTES / 2);
}

/** How this host searches for the size of segments that passes (RFC 4821). */
export interface MtuProbing {
  /** net.ipv4.tcp_mtu_probing is 1 or 2. */
  readonly isOn: boolean;
  /** net.ipv4.tcp_retries1: timeouts in a row after which the kernel lowers the size. */
  readonly afterTimeouts: number;
}

/**
 * Decides whether the size of what is in flight may be why nothing answers. Then the peer's host
 * may live, so the verdict waits:
 *
 * | large segments passed before | the verdict waits until                                     |
 * |------------------------------|-------------------------------------------------------------|
 * | no                           | nothing was heard for a budget, and the search is over      |
 * | yes                          | the search is over, or the budget                           |
 * | the search lowered the size  | the answer to the first smaller segment is missing          |
 */
export class SegmentSize {
  readonly #budgetMs: number;
  readonly #probing: MtuProbing | null;
  #bytes = 0;
  #loweredAt: Instant = Number.NEGATIVE_INFINITY;

  constructor({ budgetMs, mtuProbing }: { budgetMs: number; mtuProbing?: MtuProbing }) {
    this.#budgetMs = budgetMs;
    this.#probing = mtuProbing?.isOn ? mtuProbing : null;
  }

  /** Takes every reading. Returns whether the verdict has to wait. */
  mayExplain({ now, flow, isDeaf, heardAt, deadline, timing }: Silence, info: TcpInfo): boolean {
    const { sendMssBytes = 0, retransmits = 0 } = info;
    if (retransmits > 0 && sendMssBytes < this.#bytes) this.#loweredAt = now;
    this.#bytes = sendMssBytes;

    if (flow !== "in-flight" || isDeaf) return false;
    if (!isOnlyFullSize(info)) return now < this.#loweredAt + timing.answerWindowMs;
    const isSearching =
      this.#probing !== null && retransmits <= this.#probing.afterTimeouts + LATE_TIMEOUTS;
    if (hasFullSizePassed(info)) return isSearching && now < deadline;
    return isSearching || now < heardAt + this.#budgetMs - ownLatenessMs(this.#budgetMs);
  }
}

/**
 * The kernel compares times, not counts, so it lowers the size up to two timeouts later than
 * net.ipv4.tcp_retries1 says (measured on 6.18, also with a cap on backoff of 1 s). If it has not
 * by the one after, it will not.
 */
const LATE_TIMEOUTS = 3;
