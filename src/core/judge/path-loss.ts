import { metInGroup, recordInGroup } from "./group-loss.ts";
import { type Lesson, LossBelief, SHORT_PATH_MS } from "./loss-belief.ts";
import type { PeerGroup } from "./peer-groups.ts";

/**
 * Belief about the losses between one connection and its peer. Connections to the same peer share a
 * belief, so that each profits from the evidence of all. A connection that loses attempts itself
 * has a belief of its own beside the shared one. The worse one decides.
 */
export class PathLoss {
  /** `null` while a connection with a peer group has lost nothing itself. */
  own: LossBelief | null;
  readonly #peer: PeerGroup | null;
  #isMet = false;

  /**
   * `peer`: the group that shares a belief; `null` for a connection that stands alone. `own`: what
   * the connection learned before; `null` for nothing.
   */
  constructor(peer: PeerGroup | null = null, own: LossBelief | null = null) {
    this.#peer = peer;
    this.own = own ?? (peer === null ? new LossBelief() : null);
  }

  /** What happened: a reading has the round trip. */
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

  /** Returns whether the path's loss does not explain `unanswered` attempts in a row. */
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

  /** This connection, or those to the same peer together, lost attempts again and again. */
  get isRepeated(): boolean {
    return this.own?.isRepeated === true || this.#peer?.loss.isRepeated === true;
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

/** When all peers of a route together lose more than this, our side of the path is what loses. */
const ONSET_SHARE = 0.03;
