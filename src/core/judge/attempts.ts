import type { Instant } from "../time/instant.ts";
import { type Answers, ORDINARY_ANSWERS } from "./answers.ts";

/** The kernel's first timeout on a LAN (RTO_MIN); probes are further apart. */
const LEAST_APART_MS = 200;

/**
 * Attempts to reach the peer that went unanswered since it was last heard: keepalive probes,
 * nudges, window probes, transmissions.
 *
 * The kernel counts attempts but does not date them, so the instant of one is known only as lying
 * between two readings. Each field keeps the bound that makes a verdict later, never earlier: the
 * first one as late as possible, the last one as early as possible for the span (`lastAt`), and as
 * late as possible for its answer (`lastAtLatest`).
 *
 * An attempt is *part of the proof* unless its peer, as far as was seen, need not have answered it
 * (see {@link Answers}).
 *
 * An attempt *outlasts the outage* when it left that long after the first one: had an outage begun
 * with the first attempt, it would be over by then. An attempt is *settled* when its answer had its
 * time to come. One is *found* when it was unanswered already as we came, or came back from a long
 * stall: it tells how it was then. Loss does not explain it, but an outage does that ended as we
 * came, so it outlasts none.
 */
export class Attempts {
  firstAt: Instant = 0;
  lastAt: Instant = 0;
  lastAtLatest: Instant = 0;
  count = 0;
  /** Those that are part of the proof; of them alone the following three tell. */
  proving = 0;
  /** Those that outlast the outage. */
  outlasting = 0;
  settled = 0;
  settledOutlasting = 0;
  /** The first so many are found. */
  found = 0;
  /** Made before data entered flight. Transmissions come on top: the kernel counts them apart. */
  beforeFlight = 0;
  /** They fail on this host, and nothing is known of the peer. */
  areLocal = false;
  /** Those that are not settled yet, oldest first. */
  readonly #waiting: {
    readonly latest: Instant;
    readonly count: number;
    readonly outlasting: number;
  }[] = [];
  /** When the first one left that is part of the proof, and the last. */
  #provingFrom: Instant = 0;
  #provingAt: Instant = Number.NEGATIVE_INFINITY;
  readonly #outageMs: number;
  #foundAt: Instant = Number.NEGATIVE_INFINITY;
  readonly #answers: Answers;

  /**
   * `outageMs`: the longest outage that is to be survived. `answers`: which probes the peer
   * answers, default all.
   */
  constructor(outageMs: number, answers: Answers = ORDINARY_ANSWERS) {
    this.#outageMs = outageMs;
    this.#answers = answers;
  }

  /**
   * `count` is the total so far. A growing count means that the newest attempt left between
   * `earliest` and `latest`.
   */
  seen(count: number, earliest: Instant, latest: Instant): void {
    this.#add(count, earliest, latest, count - this.count);
  }

  /** The same, where the newest is a probe. */
  seenProbe(count: number, earliest: Instant, latest: Instant): void {
    if (this.#answers.spacingMs === 0) this.seen(count, earliest, latest);
    else
      this.#add(count, earliest, latest, earliest >= this.#answers.dueAt(this.#provingAt) ? 1 : 0);
  }

  #add(count: number, earliest: Instant, latest: Instant, proving: number): void {
    if (count <= this.count) return;
    if (this.count === 0) this.firstAt = latest;
    this.lastAt = Math.max(earliest, this.firstAt);
    this.lastAtLatest = Math.max(latest, this.lastAt);
    this.count = count;
    if (proving === 0) return;
    if (this.proving === 0) this.#provingFrom = latest;
    this.proving += proving;
    this.#provingAt = this.lastAtLatest;
    // Of several at once only the newest can have left so late.
    if (proving > 1)
      this.#waiting.push({
        latest: latest - LEAST_APART_MS,
        count: this.proving - 1,
        outlasting: this.outlasting,
      });
    if (this.lastAt - Math.max(this.#provingFrom, this.#foundAt) >= this.#outageMs)
      this.outlasting++;
    this.#waiting.push({
      latest: this.lastAtLatest,
      count: this.proving,
      outlasting: this.outlasting,
    });
  }

  /** Data enters flight: its transmissions come on top of what is part of the proof so far. */
  takeOff(): void {
    if (this.proving === 0) this.clear();
    this.count = this.proving;
    this.beforeFlight = this.count;
  }

  /**
   * A transmission whose instant the kernel tells moved the last attempt without a new count being
   * known.
   */
  movedTo(at: Instant): void {
    if (this.count === 0 || at <= this.lastAt) return;
    this.lastAt = at;
    this.lastAtLatest = Math.max(this.lastAtLatest, at);
  }

  /**
   * After a pause of the whole machine the time that passed proves nothing: the span may not
   * contain it.
   */
  shift(gapMs: number, now: Instant): void {
    this.firstAt = Math.min(now, this.firstAt + gapMs);
    this.#provingFrom = Math.min(now, this.#provingFrom + gapMs);
    this.lastAt = Math.max(this.firstAt, this.lastAt);
    this.#outlastNone();
  }

  /**
   * The first so many of them, or all there are, are found `now`: for those that follow an outage
   * began then.
   */
  cameUpon(count: number, now: Instant): void {
    this.found = Math.min(count, this.count);
    if (this.found === 0) return;
    this.#foundAt = now;
    this.#outlastNone();
  }

  /**
   * How many of them were lost, given when the peer was heard and how long an answer takes at
   * least. The answer was to one that left that long before; those before it were lost, those after
   * it are still on their way.
   */
  lostWhen(heardAt: Instant, answerMs: number, answerWindowMs: number): number {
    if (this.count === 0) return 0;
    if (heardAt >= this.lastAtLatest + Math.max(answerWindowMs, answerMs)) return this.count;
    const newest = this.#waiting.findLast(({ latest }) => latest <= heardAt - answerMs)?.count;
    return Math.max(0, (newest ?? this.settled) - 1);
  }

  /** Looks which attempts have had `windowMs` to be answered. */
  settle(now: Instant, windowMs: number): void {
    for (
      let next = this.#waiting[0];
      next && now - next.latest >= windowMs;
      next = this.#waiting[0]
    ) {
      this.settled = next.count;
      this.settledOutlasting = next.outlasting;
      this.#waiting.shift();
    }
  }

  clear(): void {
    this.count = 0;
    this.found = 0;
    this.#foundAt = Number.NEGATIVE_INFINITY;
    this.proving = 0;
    this.settled = 0;
    this.outlasting = 0;
    this.settledOutlasting = 0;
    this.beforeFlight = 0;
    this.areLocal = false;
    this.#waiting.length = 0;
  }

  #outlastNone(): void {
    this.outlasting = 0;
    this.settledOutlasting = 0;
    const left = this.#waiting.map(({ latest, count }) => ({ latest, count, outlasting: 0 }));
    this.#waiting.splice(0, left.length, ...left);
  }
}
