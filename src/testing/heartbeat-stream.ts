import type { EpisodeLaw } from "./episodes.ts";
import { Episodes } from "./episodes.ts";
import { Path, type PathLaw } from "./path.ts";
import type { ArrivalStream } from "./recorded-stream.ts";
import { seededRandom } from "./seeded-random.ts";
import { TcpDelivery } from "./tcp-delivery.ts";

export interface HeartbeatStreamOptions extends PathLaw {
  /** Time between two heartbeats at the sender, in ms. */
  readonly intervalMs: number;
  /** The same seed gives the same stream. */
  readonly seed: number;
  /** Times in which the sender stands still. Heartbeats due meanwhile are sent at the end. */
  readonly senderStalls?: EpisodeLaw;
  /**
   * `"datagram"` (default): a lost heartbeat never arrives, and heartbeats may overtake each other.
   * `"tcp"`: loss becomes delay (see `TcpDelivery`), with the same law both ways.
   */
  readonly transport?: "datagram" | "tcp";
  /** Cap on the retransmission backoff in ms, for `"tcp"`; default 120000. */
  readonly rtoMaxMs?: number;
}

/**
 * The arrivals of regular heartbeats, in the order of time. Allocates nothing for an arrival:
 * {@link next} overwrites the fields.
 */
export class HeartbeatStream implements ArrivalStream {
  /** Number of the heartbeat that arrived last; -1 before the first. */
  sequence = -1;
  sentAt = 0;
  arrivedAt = 0;
  /** Heartbeats sent so far, lost ones included. */
  sent = 0;
  readonly #intervalMs: number;
  readonly #path: Path;
  readonly #tcp: TcpDelivery | null;
  readonly #stalls: Episodes | null;
  #nextSendAt: number;
  /** Heartbeats on their way: a ring, sorted by arrival. */
  #capacity = 64;
  #arrivals: Float64Array = new Float64Array(64);
  #sendings: Float64Array = new Float64Array(64);
  #sequences: Float64Array = new Float64Array(64);
  #head = 0;
  #size = 0;

  constructor(options: HeartbeatStreamOptions) {
    const random = seededRandom(options.seed);
    this.#intervalMs = options.intervalMs;
    this.#path = new Path(options, random);
    this.#tcp =
      options.transport === "tcp"
        ? new TcpDelivery({
            ...options,
            forward: this.#path,
            back: new Path(options, seededRandom(options.seed ^ 0x5bd1e995)),
          })
        : null;
    this.#stalls = options.senderStalls
      ? new Episodes(options.senderStalls, seededRandom(options.seed ^ 0x27d4eb2f))
      : null;
    this.#nextSendAt = this.#sendingOf(0);
  }

  /** Moves to the next arrival. */
  next(): void {
    // A heartbeat that is sent later cannot arrive before its sending, so arrivals up to the next
    // sending are final.
    while (this.#size === 0 || (this.#arrivals[this.#head] as number) > this.#nextSendAt)
      this.#send();

    const { sequence } = this;
    this.arrivedAt = this.#arrivals[this.#head] as number;
    this.sentAt = this.#sendings[this.#head] as number;
    this.sequence = this.#sequences[this.#head] as number;
    if (sequence === this.sequence) throw new Error("a heartbeat arrives once");

    this.#head = (this.#head + 1) & (this.#capacity - 1);
    this.#size--;
  }

  /** Returns the instant at which a heartbeat is sent. */
  #sendingOf(sequence: number): number {
    const dueAt = sequence * this.#intervalMs;
    return this.#stalls === null ? dueAt : this.#stalls.endOf(dueAt);
  }

  #send(): void {
    const sequence = this.sent++;
    const sentAt = this.#nextSendAt;
    this.#nextSendAt = this.#sendingOf(this.sent);
    if (this.#tcp !== null) this.#insert(this.#tcp.arrivalOf(sentAt), sentAt, sequence);
    else if (!this.#path.isLost(sentAt))
      this.#insert(sentAt + this.#path.delayMs(), sentAt, sequence);
  }

  #insert(arrivesAt: number, sentAt: number, sequence: number): void {
    if (this.#size === this.#capacity) this.#grow();

    const mask = this.#capacity - 1;
    let at = (this.#head + this.#size) & mask;
    for (let behind = this.#size; behind > 0; behind--) {
      const before = (at - 1) & mask;
      if ((this.#arrivals[before] as number) <= arrivesAt) break;
      this.#arrivals[at] = this.#arrivals[before] as number;
      this.#sendings[at] = this.#sendings[before] as number;
      this.#sequences[at] = this.#sequences[before] as number;
      at = before;
    }

    this.#arrivals[at] = arrivesAt;
    this.#sendings[at] = sentAt;
    this.#sequences[at] = sequence;
    this.#size++;
  }

  #grow(): void {
    const unrolled = (ring: Float64Array): Float64Array => {
      const larger = new Float64Array(2 * this.#capacity);
      for (let i = 0; i < this.#size; i++)
        larger[i] = ring[(this.#head + i) & (this.#capacity - 1)] as number;
      return larger;
    };
    [this.#arrivals, this.#sendings, this.#sequences] = [
      unrolled(this.#arrivals),
      unrolled(this.#sendings),
      unrolled(this.#sequences),
    ];
    this.#head = 0;
    this.#capacity *= 2;
  }
}
