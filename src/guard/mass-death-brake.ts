import type { Instant } from "../core/time/instant.ts";

export interface BrakeSettings {
  /**
   * Fewer distinct peers than this tell nothing of us: a single server that died is just that.
   * Default 5.
   */
  readonly peers: number;
  /** Share of them silent at once, 0 to 1, from which it is more probably us. Default 0.5. */
  readonly share: number;
  /** After this long the dead are ended all the same. Default 5 minutes. */
  readonly holdAtMostMs: number;
}

export const DEFAULT_BRAKE: BrakeSettings = { peers: 5, share: 0.5, holdAtMostMs: 300_000 };

/**
 * Never holds. For one program whose user asked for its errors in time: a connection ended too
 * early it opens again.
 */
export const NO_BRAKE: BrakeSettings = { ...DEFAULT_BRAKE, peers: Number.POSITIVE_INFINITY };

/** Peers with guarded connections, and how many of them are silent in all of these. */
export interface PeerCount {
  readonly peers: number;
  readonly silentPeers: number;
}

/**
 * Holds a guard's hand when most of its peers fall silent at once: it is then more probably this
 * host, its link or its network than so many deaths, and what was ended cannot be brought back.
 */
export class MassDeathBrake {
  readonly #settings: BrakeSettings;
  #since: Instant | null = null;
  #lastAt: Instant = Number.NEGATIVE_INFINITY;

  constructor(settings: BrakeSettings) {
    this.#settings = settings;
  }

  /** Since when most peers are silent; `null` when they are not. */
  get since(): Instant | null {
    return this.#since;
  }

  /**
   * Whether what has gone unanswered since then fell, at least in part, into a time when most peers
   * were silent that is over.
   */
  isTainted(since: Instant): boolean {
    return this.#since === null && since <= this.#lastAt;
  }

  /** `true`: end nothing now. */
  holds(now: Instant, { peers, silentPeers }: PeerCount): boolean {
    const isMass = peers >= this.#settings.peers && silentPeers >= this.#settings.share * peers;
    if (isMass) {
      this.#since ??= now;
      this.#lastAt = now;
    } else {
      // When the longest hold was over the silent were ended: that is why they are fewer.
      if (this.#since !== null && now - this.#since >= this.#settings.holdAtMostMs)
        this.#lastAt = Number.NEGATIVE_INFINITY;
      this.#since = null;
    }
    return this.#since !== null && now - this.#since < this.#settings.holdAtMostMs;
  }
}
