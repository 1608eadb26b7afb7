import { answeredInGroup, recordInGroup } from "../core/judge/group-loss.ts";
import type { Lesson } from "../core/judge/loss-belief.ts";
import type { PeerGroup } from "../core/judge/peer-groups.ts";
import type { ConnectionRow } from "../survey/connection-row.ts";

/**
 * Derives the loss of a path from the surveys of one connection over it. While the connection
 * writes, from the kernel's totals: a lost segment is repaired between two surveys, so only totals
 * show it. While it is idle, from probes answered at the first try; failed tries are counted while
 * the connection is in doubt.
 */
export class RoundTrips {
  /** Totals that the path's loss was already learned from. */
  #learned: Totals;
  /**
   * Totals at the last survey that heard the peer. Learned from only when the peer is heard again:
   * until then the newest retransmissions may be lost for good.
   */
  #seen: Totals;

  constructor(row: ConnectionRow) {
    this.#seen = totalsOf(row);
    this.#learned = this.#seen;
  }

  /** Total retransmissions at the last survey that heard the peer. */
  get repeated(): number {
    return this.#seen.retransmits;
  }

  /** Records a survey that heard the peer since the last one. */
  teach(group: PeerGroup, row: ConnectionRow): void {
    if (row.retransmits > 0) return;

    const { segments, retransmits, duplicates } = this.#seen;
    const sent = (segments - this.#learned.segments) | 0;
    if (sent > 0) {
      const repeated = (retransmits - this.#learned.retransmits) | 0;
      const needless = (duplicates - this.#learned.duplicates) | 0;
      const lost = Math.min(sent, Math.max(0, repeated - needless));
      recordInGroup(group, { attempts: sent, lost, ...UNDATED });
    }

    this.#learned = this.#seen;
    if (row.dataSegmentsOut !== segments) this.#seen = totalsOf(row);
    else if (sent === 0 && row.isLastHeardAnswer) answeredInGroup(group, 1);
  }
}

/** The kernel's totals at one survey. 32 bits that wrap. */
interface Totals {
  readonly segments: number;
  readonly retransmits: number;
  readonly duplicates: number;
}

/** The instant of a loss between two surveys is unknown. */
const UNDATED: Pick<Lesson, "from" | "to"> = {
  from: Number.NEGATIVE_INFINITY,
  to: Number.POSITIVE_INFINITY,
};

function totalsOf(row: ConnectionRow): Totals {
  return {
    segments: row.dataSegmentsOut,
    retransmits: row.totalRetransmits,
    duplicates: row.duplicatesReported,
  };
}
