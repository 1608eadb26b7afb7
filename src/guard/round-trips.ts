import type { Lesson } from "../core/judge/loss-belief.ts";
import { answeredInGroup, type PeerGroup, recordInGroup } from "../core/judge/peer-groups.ts";
import type { ConnectionRow } from "../survey/connection-row.ts";

/** When a segment was lost between two surveys nobody knows. */
const UNDATED: Pick<Lesson, "from" | "to"> = {
  from: Number.NEGATIVE_INFINITY,
  to: Number.POSITIVE_INFINITY,
};

/** The kernel's totals at one survey. 32 bits that wrap. */
interface Totals {
  readonly segments: number;
  readonly retransmits: number;
  readonly duplicates: number;
}

/**
 * What the surveys see of one connection's round trips, as lessons on its path's loss. Writing: by
 * the kernel's totals, since a loss is mended between two surveys. Idle: an answer to a probe at
 * the first try; tries that failed are counted where they are doubted.
 */
export class RoundTrips {
  #learned: Totals;
  /**
   * Of the last survey: only when the peer is heard again are they resolved, since what was just
   * repeated may be lost for good.
   */
  #seen: Totals;

  constructor(row: ConnectionRow) {
    this.#seen = totalsOf(row);
    this.#learned = this.#seen;
  }

  /** Retransmissions in all at the last survey that heard the peer. */
  get repeated(): number {
    return this.#seen.retransmits;
  }

  /** The peer was heard since the last survey. */
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

function totalsOf(row: ConnectionRow): Totals {
  return {
    segments: row.dataSegmentsOut,
    retransmits: row.totalRetransmits,
    duplicates: row.duplicatesReported,
  };
}
