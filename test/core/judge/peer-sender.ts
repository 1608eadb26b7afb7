import type { Path } from "./kernel-model.ts";

/** What the data of a peer changes at this end. */
export interface Arrival {
  readonly at: number;
  /** Segments that the peer has written up to this one. */
  readonly upTo: number;
}

const NEVER = Number.POSITIVE_INFINITY;

/**
 * The sending half of the peer: data that it writes, sends, and repeats until our acknowledgment
 * reaches it, with a doubling timeout. Each transmission carries all that is not acknowledged yet.
 */
export class PeerSender {
  /** Segments that have arrived here, repetitions included. */
  segmentsIn = 0;
  /** Segments that have arrived here for the first time. */
  received = 0;
  receivedAt = Number.NEGATIVE_INFINITY;
  readonly #path: Path;
  #written = 0;
  #acknowledged = 0;
  #backoff = 0;
  #timerAt = NEVER;
  #talksAt = NEVER;
  #talkEveryMs = 0;
  #isTalking: (at: number) => boolean = () => false;
  readonly #writesAt: number[] = [];
  readonly #arrivals: Arrival[] = [];
  readonly #acknowledgments: Arrival[] = [];

  constructor(path: Path) {
    this.#path = path;
  }

  /** The next instant at which something happens. */
  get nextAt(): number {
    return Math.min(
      this.#writesAt[0] ?? NEVER,
      this.#arrivals[0]?.at ?? NEVER,
      this.#acknowledgments[0]?.at ?? NEVER,
      this.#timerAt,
      this.#talksAt,
    );
  }

  /** The peer's program writes one segment every `everyMs` after `from`, when `isTalking`. */
  talk(from: number, everyMs: number, isTalking: (at: number) => boolean): void {
    this.#talksAt = from + everyMs;
    this.#talkEveryMs = everyMs;
    this.#isTalking = isTalking;
  }

  /** The peer's program writes one segment at `at`, now or later. */
  write(at: number): void {
    const isLast = at >= (this.#writesAt.at(-1) ?? at);
    this.#writesAt.push(at);
    if (!isLast) this.#writesAt.sort((a, b) => a - b);
  }

  /** Data of ours that leaves at `at` and arrives acknowledges what was received. */
  hears(at: number): void {
    queue(this.#acknowledgments, at + this.#rttMs(at) / 2, this.received);
  }

  /** Goes on until `now`. Returns whether a segment of the peer arrived here. */
  run(now: number): boolean {
    let isHeard = false;
    for (let at = this.nextAt; at <= now; at = this.nextAt) {
      if (at === this.#talksAt) {
        this.#talksAt += this.#talkEveryMs;
        if (this.#isTalking(at)) this.#send(at);
      } else if (at === this.#writesAt[0]) {
        this.#writesAt.shift();
        this.#send(at);
      } else if (at === this.#arrivals[0]?.at) {
        this.#arrive(this.#arrivals.shift() as Arrival);
        isHeard = true;
      } else if (at === this.#acknowledgments[0]?.at) this.#acknowledge(at);
      else {
        this.#backoff++;
        this.#transmit(at);
      }
    }
    return isHeard;
  }

  #send(at: number): void {
    this.#written++;
    this.#transmit(at);
  }

  #transmit(at: number): void {
    const isArriving = this.#path.isUpBack?.(at) ?? this.#path.isUp(at);
    if (isArriving) queue(this.#arrivals, at + this.#rttMs(at) / 2, this.#written);
    this.#timerAt = at + Math.min((this.#rttMs(at) + 204) * 2 ** this.#backoff, 120_000);
  }

  #arrive({ at, upTo }: Arrival): void {
    this.segmentsIn++;
    const isRepeated = upTo <= this.received;
    if (!isRepeated) {
      this.received = upTo;
      this.receivedAt = at;
    }
    if (!isRepeated && this.#path.isBareUp?.(at) === false) return;
    const isArriving = this.#path.isUpOut?.(at) ?? this.#path.isUp(at);
    if (isArriving) queue(this.#acknowledgments, at + this.#rttMs(at) / 2, this.received);
  }

  #acknowledge(at: number): void {
    const { upTo } = this.#acknowledgments.shift() as Arrival;
    if (upTo <= this.#acknowledged) return;
    this.#acknowledged = upTo;
    this.#backoff = 0;
    this.#timerAt = upTo < this.#written ? at + this.#rttMs(at) + 204 : NEVER;
  }

  #rttMs(at: number): number {
    return this.#path.rttAt?.(at) ?? this.#path.rttMs;
  }
}

/** The order of packets is kept. */
function queue(packets: Arrival[], at: number, upTo: number): void {
  packets.push({ at: Math.max(at, packets.at(-1)?.at ?? 0), upTo });
}
