import type { Instant } from "../core/time/instant.ts";

/**
 * Keeps a guard from ending connections when most of its peers fall silent at once. The cause is
 * then more probably this host, its link or its network than the death of all these peers, and an
 * ended connection cannot be brought back.
 */
export class MassDeathBrake {
  readonly #settings: BrakeSettings;
  #since: Instant | null = null;
  #lastAt: Instant = Number.NEGATIVE_INFINITY;

  constructor(settings: BrakeSettings) {
    this.#settings = settings;
  }

  /** The instant when most peers fell silent; `null` while they are not. */
  get since(): Instant | null {
    return this.#since;
  }

  /**
   * Returns whether a silence that began at `since` overlaps a mass silence that is over. Such a
   * silence may be part of that outage, and proves nothing.
   */
  isTainted(since: Instant): boolean {
    return this.#since === null && since <= this.#lastAt;
  }

  /** Takes the present count of peers. Returns whether nothing may be ended now. */
  holds(now: Instant, { peers, silentPeers }: PeerCount): boolean {
    const isMass = peers >= this.#settings.peers && silentPeers >= this.#settings.share * peers;
    if (isMass) {
      this.#since ??= now;
      this.#lastAt = now;
    } else {
      // After the longest hold the silent ones were ended, and only therefore are they fewer: this
      // is no end of an outage.
      if (this.#since !== null && now - this.#since >= this.#settings.holdAtMostMs)
        this.#lastAt = Number.NEGATIVE_INFINITY;
      this.#since = null;
    }
    return this.#since !== null && now - this.#since < this.#settings.holdAtMostMs;
  }
}

export interface BrakeSettings {
  /**
   * The smallest number of distinct peers that shows anything about this host. With fewer, silence
   * may well be the death of a single server. Default 5.
   */
  readonly peers: number;
  /** The share of peers silent at once, 0 to 1, from which this host is suspect. Default 0.5. */
  readonly share: number;
  /** The longest hold. Afterwards dead connections are ended all the same. Default 5 minutes. */
  readonly holdAtMostMs: number;
}

export const DEFAULT_BRAKE: BrakeSettings = { peers: 5, share: 0.5, holdAtMostMs: 300_000 };

/**
 * Never holds. For a single program whose user wants its errors in time: the program opens a
 * connection again that was ended too early.
 */
export const NO_BRAKE: BrakeSettings = { ...DEFAULT_BRAKE, peers: Number.POSITIVE_INFINITY };

/** Peers with guarded connections, and how many of them are silent on all of their connections. */
export interface PeerCount {
  readonly peers: number;
  readonly silentPeers: number;
}
