import type { Instant } from "../time/instant.ts";

/**
 * Belief about how late answers come on the path of one connection: full queues, radio and
 * satellites delay them by seconds, and by far more than the kernel's last round trip.
 *
 * It takes answers whose delay is known: to data in flight (flight-delay.ts) and to probes
 * (loss-learner.ts), of this connection and, through its peer group, of those to the same peer and
 * of all on the same route. This connection's own answers are remembered: a prompt one halves the
 * belief. What others show holds until their next answer.
 *
 * A queue is served in order. So a late answer tells of a queue that is shared only if nothing that
 * left later was answered before it. One that was overtaken waited elsewhere: in a queue of its
 * own, at another host behind the same address, or on the far side of the path.
 *
 * Silence alone never makes the belief: a cut is not told from a delay by it.
 */
export class PathDelay {
  #ownMs = 0;
  readonly #peer: SharedQueues | null;

  /** `peer`: the queues shared with other connections; `null` for one that stands alone. */
  constructor(peer: SharedQueues | null = null) {
    this.#peer = peer;
  }

  /** How late an answer may be, as far as answers have shown; 0: no later than usual. */
  get lateMs(): number {
    const shared = this.#peer === null ? 0 : Math.max(this.#peer.lateMs, this.#peer.route.lateMs);
    return Math.min(LONGEST_DELAY_MS, Math.max(this.#ownMs, shared));
  }

  /** The same as far as this connection remembers it from its own answers. */
  get rememberedMs(): number {
    return this.#ownMs;
  }

  /**
   * What happened: an answer whose delay is known. `minRttMs`: the round trip of this path with its
   * queues empty.
   */
  answered(answer: Answered, minRttMs: number = 0): void {
    if (this.#peer && isDoubtful(this.#peer, answer)) return;
    // A far peer's round trip is no queue.
    this.cameLate(answer.lateMs - minRttMs < LEAST_LATE_MS ? 0 : answer.lateMs);
    if (this.#peer) answeredIn(this.#peer, answer, minRttMs);
  }

  /**
   * What happened: an answer came `lateMs` late at least, to one of several attempts. Siblings do
   * not learn from it, since it is not known which one it answers.
   */
  cameLate(lateMs: number): void {
    this.#ownMs = significant(Math.max(lateMs, this.#ownMs / 2));
  }
}

/** An answer whose delay is known within bounds. */
export interface Answered {
  /** When what it answers left. */
  readonly sentAt: Instant;
  readonly lateMs: number;
  /** Infinite: it is still on its way, while what left before it is being answered. */
  readonly atMostMs: number;
  /** It may have answered an earlier probe. */
  readonly isOfProbe: boolean;
}

/**
 * Returns the answer to a standing probe, which left after a silence of `idleMs` since
 * `heardBefore`; `null`: what was heard at `heardAt` answers no such probe, or a later one.
 */
export function probeAnswered(
  heardBefore: Instant,
  heardAt: Instant,
  idleMs: number,
): Answered | null {
  const sentAt = heardBefore + idleMs;
  const lateMs = heardAt - sentAt;
  if (lateMs < -ORDER_SLACK_MS / 10 || lateMs > idleMs) return null;
  // The kernel's timers are late themselves (docs/internals/kernel.md#timers-are-late).
  return { sentAt, lateMs: Math.max(0, lateMs - idleMs / 8), atMostMs: lateMs, isOfProbe: true };
}

/** The queue that connections share, as their answers show it. */
export interface Queue {
  /** When the newest segment left that is known to be answered. */
  answeredTo: Instant;
  /** How late that answer was at least; 0: no later than usual. */
  lateMs: number;
}

/** The queue of the connections to one peer, and that of the route. */
export interface SharedQueues extends Queue {
  readonly route: Queue;
  /** This peer's answers were overtaken by those of another: it has a queue of its own. */
  isOvertaken: boolean;
  /** Data in flight shows that what left before this instant is answered late. */
  lateUntil: Instant;
}

/** What happened: an answer, as seen from the queues that it may have waited in. */
export function answeredIn(peer: SharedQueues, answer: Answered, minRttMs: number = 0): void {
  if (isDoubtful(peer, answer) || !isInOrder(peer, answer, 0)) return;
  const { sentAt, lateMs, isOfProbe } = answer;
  if (!isOfProbe)
    peer.lateUntil = lateMs < LEAST_LATE_MS ? sentAt : sentAt + lateMs + windowOfLate(lateMs);
  // A far peer's round trip is no queue of ours.
  if (!peer.isOvertaken || lateMs - minRttMs < LEAST_LATE_MS)
    peer.isOvertaken = !isInOrder(peer.route, answer, minRttMs);
}

/**
 * Returns whether data in flight contradicts that this answer is prompt. Where answers take several
 * times as long as the probes are apart, each seems to be that to the last probe.
 */
function isDoubtful(peer: SharedQueues, { isOfProbe, sentAt }: Answered): boolean {
  return isOfProbe && sentAt < peer.lateUntil;
}

/** Takes an answer for one from this queue, and returns true, unless a later one overtook it. */
function isInOrder(
  queue: Queue,
  { sentAt, lateMs, atMostMs }: Answered,
  minRttMs: number,
): boolean {
  if (sentAt < queue.answeredTo - ORDER_SLACK_MS) return false;
  if (atMostMs < Number.POSITIVE_INFINITY) queue.answeredTo = Math.max(queue.answeredTo, sentAt);
  const isPrompt = atMostMs - minRttMs < PROMPT_MS;
  const known = Math.min(queue.lateMs, atMostMs - minRttMs);
  queue.lateMs = isPrompt ? 0 : significant(Math.max(known, lateMs - minRttMs));
  return true;
}

/** Whole numbers cost no heap. */
function significant(lateMs: number): number {
  return lateMs < LEAST_LATE_MS ? 0 : Math.floor(lateMs);
}

/**
 * Returns how long to wait for an answer where answers came `lateMs` late: slow start doubles what
 * a queue holds within one round trip, so the delay may have doubled since it was measured.
 */
export function windowOfLate(lateMs: number): number {
  return 2 * lateMs + 100;
}

/**
 * A lost acknowledgment looks like a late one if the peer sends again what it rode on, and a peer
 * does that after 200 ms at the least (tcp.h, TCP_RTO_MIN).
 */
const LEAST_LATE_MS = 400;

/** Two readings of a connection in flight may be 250 ms apart, and a timer late. */
const PROMPT_MS = 400;

/** The instants of attempts are known only between two readings. */
const ORDER_SLACK_MS = 300;

/** The kernel's own longest timeout (tcp.h, TCP_RTO_MAX): what waits longer is repeated. */
const LONGEST_DELAY_MS = 120_000;
