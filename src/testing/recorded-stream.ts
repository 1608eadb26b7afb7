import { HalfOpenError } from "../core/errors.ts";

/** Arrivals in the order of time; {@link next} overwrites what the fields say. */
export interface ArrivalStream {
  /** Number of the heartbeat that arrived last. */
  readonly sequence: number;
  readonly sentAt: number;
  readonly arrivedAt: number;
  /** Moves to the next arrival. */
  next(): void;
}

export interface RecordedHeartbeat {
  readonly sequence: number;
  /** On the clock that made the arrivals, or any other that runs as fast. */
  readonly sentAt: number;
  readonly arrivedAt: number;
}

/** Heartbeats as they were recorded on a real path, for `simulateDetector`. */
export class RecordedStream implements ArrivalStream {
  sequence = -1;
  sentAt = 0;
  arrivedAt = 0;
  readonly #arrivals: readonly RecordedHeartbeat[];
  #at = 0;

  /**
   * They may come in any order; each number once. @throws HalfOpenError `ERR_OPTION_RANGE` if there
   * are none
   */
  constructor(heartbeats: readonly RecordedHeartbeat[]) {
    if (heartbeats.length === 0)
      throw new HalfOpenError(
        "ERR_OPTION_RANGE",
        "a recording needs at least one heartbeat, got none",
      );
    this.#arrivals = [...heartbeats].sort(
      (a, b) => a.arrivedAt - b.arrivedAt || a.sequence - b.sequence,
    );
  }

  /** The highest number in the recording. */
  get lastSequence(): number {
    return this.#arrivals.reduce((most, { sequence }) => Math.max(most, sequence), 0);
  }

  /** @throws HalfOpenError `ERR_OPTION_RANGE` behind the last one */
  next(): void {
    const arrival = this.#arrivals[this.#at++];
    if (!arrival)
      throw new HalfOpenError(
        "ERR_OPTION_RANGE",
        `the recording holds ${this.#arrivals.length} heartbeats, and one more was asked for`,
      );
    this.sequence = arrival.sequence;
    this.sentAt = arrival.sentAt;
    this.arrivedAt = arrival.arrivedAt;
  }
}
