import { HalfOpenError } from "../core/errors.ts";

/** Arrivals in the order of time; {@link next} overwrites the fields. */
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
  /** On the clock of the arrivals, or on any other that runs at the same rate. */
  readonly sentAt: number;
  readonly arrivedAt: number;
}

/** Heartbeats that were recorded on a real path, for `simulateDetector`. */
export class RecordedStream implements ArrivalStream {
  sequence = -1;
  sentAt = 0;
  arrivedAt = 0;
  readonly #arrivals: readonly RecordedHeartbeat[];
  #at = 0;

  /**
   * Takes heartbeats in any order, each number once.
   *
   * @throws HalfOpenError `ERR_OPTION_RANGE` for an empty recording
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

  /** Moves to the next arrival. @throws HalfOpenError `ERR_OPTION_RANGE` after the last one */
  next(): void {
    const arrival = this.#arrivals[this.#at++];
    if (!arrival)
      throw new HalfOpenError(
        "ERR_OPTION_RANGE",
        `the recording holds ${this.#arrivals.length} heartbeats; stop calling next() after the last one`,
      );

    this.sequence = arrival.sequence;
    this.sentAt = arrival.sentAt;
    this.arrivedAt = arrival.arrivedAt;
  }
}
