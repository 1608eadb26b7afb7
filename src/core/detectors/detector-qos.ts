import type { Instant } from "../time/instant.ts";

/**
 * Chen's measures of a detector's quality over one observation of a live peer. Times in ms; `null`
 * as long as nothing has happened.
 */
export interface DetectorQosReport {
  readonly observedMs: number;
  /** Suspicions that a heartbeat refuted. */
  readonly mistakes: number;
  /** lambda_M: mistakes an hour. */
  readonly mistakesPerHour: number;
  /** E(T_MR): mean time between mistakes. */
  readonly meanBetweenMistakesMs: number | null;
  /** E(T_M): mean time until a mistake was corrected. */
  readonly meanMistakeMs: number | null;
  /** P_A: share of the time in which the verdict was right, 0 to 1. */
  readonly queryAccuracy: number;
  /**
   * T_D of the present suspicion, counted from the last evidence before it; `null` while the peer
   * is trusted.
   */
  readonly detectionMs: number | null;
}

/**
 * Measures a detector's quality at run time, at the cost of two calls for each suspicion. Only a
 * refuted suspicion is known to be a mistake: until then, the suspicion counts as a detection.
 */
export class DetectorQos {
  #startedAt: Instant;
  #mistakes = 0;
  #mistakenMs = 0;
  #suspectedAt: Instant | null = null;
  #lastHeardAt: Instant;

  constructor(now: Instant) {
    this.#startedAt = now;
    this.#lastHeardAt = now;
  }

  /** Clears the counts and keeps the state. Call this when a detector has learnt its path. */
  restart(now: Instant): void {
    this.#startedAt = now;
    this.#mistakes = 0;
    this.#mistakenMs = 0;
    if (this.#suspectedAt !== null) this.#suspectedAt = now;
  }

  /** Records that trust ended. `lastHeardAt` is the last evidence before that. */
  suspected(at: Instant, lastHeardAt: Instant): void {
    if (this.#suspectedAt !== null) return;
    this.#suspectedAt = at;
    this.#lastHeardAt = lastHeardAt;
  }

  /** Records that trust is back: the suspicion was a mistake. */
  trusted(at: Instant): void {
    if (this.#suspectedAt === null) return;
    this.#mistakes++;
    this.#mistakenMs += at - this.#suspectedAt;
    this.#suspectedAt = null;
  }

  report(now: Instant): DetectorQosReport {
    const observedMs = (this.#suspectedAt ?? now) - this.#startedAt;
    const mistakes = this.#mistakes;
    return {
      observedMs,
      mistakes,
      mistakesPerHour: observedMs > 0 ? (mistakes * 3_600_000) / observedMs : 0,
      meanBetweenMistakesMs: mistakes > 0 ? observedMs / mistakes : null,
      meanMistakeMs: mistakes > 0 ? this.#mistakenMs / mistakes : null,
      queryAccuracy: observedMs > 0 ? 1 - this.#mistakenMs / observedMs : 1,
      detectionMs: this.#suspectedAt === null ? null : this.#suspectedAt - this.#lastHeardAt,
    };
  }
}
