import { type Lesson, LossBelief, SHORT_PATH_MS } from "./loss-belief.ts";
import { metInGroup, type PeerGroup, recordInGroup } from "./peer-groups.ts";

/**
 * What is believed of the losses between one connection and its peer. Connections to the same peer
 * share a belief, so that what one of them learned all know; one that loses attempts itself has a
 * belief of its own beside it. The worse of them decides.
 */
export class PathLoss {
  /** `null` while the connection has lost nothing itself. */
  own: LossBelief | null;
  readonly #peer: PeerGroup | null;
  #isMet = false;

  /**
   * `own` is what the connection learned before, `null` for nothing. With no `peer` the connection
   * stands alone.
   */
  constructor(peer: PeerGroup | null = null, own: LossBelief | null = null) {
    this.#peer = peer;
    this.own = own ?? (peer === null ? new LossBelief() : null);
  }

  /** What happened: a reading told the round trip. */
  met(rttMs: number | undefined): void {
    if (this.#isMet || rttMs === undefined) return;
    if (rttMs > SHORT_PATH_MS) return;
    this.#isMet = true;
    if (this.#peer === null) this.own?.isShort();
    else metInGroup(this.#peer, rttMs);
  }

  record(lesson: Lesson): void {
    if (lesson.lost > 0) this.own ??= this.#peer?.loss.copy() ?? new LossBelief();
    this.own?.record(lesson.attempts, lesson.lost);
    if (this.#peer) recordInGroup(this.#peer, lesson);
  }

  /** Whether so many unanswered in a row are more than the loss of the path explains. */
  isOutage(unanswered: number): boolean {
    return (this.own ?? this.#peer?.loss)?.isOutage(unanswered) ?? false;
  }

  /** Share of attempts lost, 0 to 1. */
  get ratio(): number {
    return this.#worst((belief) => belief.ratio);
  }

  get isNotable(): boolean {
    return this.own?.isNotable ?? false;
  }

  attemptsNeeded(accepted: number): number {
    return this.#worst((belief) => belief.attemptsNeeded(accepted));
  }

  #worst(of: (belief: LossBelief) => number): number {
    const own = this.own ? of(this.own) : 0;
    if (this.#peer === null) return own;
    const { loss, route } = this.#peer;
    const shared = Math.max(own, of(loss));
    return route.loss.ratio > ONSET_SHARE ? Math.max(shared, of(route.loss)) : shared;
  }
}

/**
 * When all peers of a route together lose more than this, it is our side of the path that loses.
 */
const ONSET_SHARE = 0.03;
