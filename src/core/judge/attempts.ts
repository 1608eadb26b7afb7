import type { Instant } from "../time/instant.ts";
import { type Answers, ORDINARY_ANSWERS } from "./answers.ts";

/**
 * Attempts to reach the peer that went unanswered since the peer was last heard: keepalive probes,
 * nudges, window probes and transmissions.
 *
 * The kernel counts attempts but does not date them, so the instant of an attempt is known only as
 * lying between two readings. Each field keeps the bound that delays a verdict:
 *
 * | field          | bound                | why                           |
 * |----------------|----------------------|-------------------------------|
 * | `firstAt`      | as late as possible  | the series looks shorter      |
 * | `lastAt`       | as early as possible | the series looks shorter      |
 * | `lastAtLatest` | as late as possible  | its answer has more time      |
 *
 * An attempt may be any of these:
 *
 * - *proving*: part of the proof. Every attempt is, unless it is a probe that the peer, as far as
 *   was seen, need not have answered (see {@link Answers}).
 * - *outlasting*: it left `outageMs` or more after the first proving attempt. An outage that began
 *   with the first one would be over by then.
 * - *settled*: its answer window has passed.
 * - *found*: it was unanswered already when the watch began, or when this process went on after a
 *   long stall, so it shows how things were then. Loss does not explain it, but an outage may that
 *   ended at just that instant. So a found attempt never outlasts an outage.
 */
export class Attempts {
  firstAt: Instant = 0;
  lastAt: Instant = 0;
  lastAtLatest: Instant = 0;
  count = 0;
  /** Attempts that are part of the proof. The next three fields count only these. */
  proving = 0;
  outlasting = 0;
  settled = 0;
  settledOutlasting = 0;
  /** The first `found` attempts were found. */
  found = 0;
  /**
   * Attempts made before data entered flight. The kernel counts transmissions separately, so they
   * are added to this number.
   */
  beforeFlight = 0;
  /** The attempts failed on this host, and say nothing about the peer. */
  areLocal = false;
  /** Proving attempts that are not settled yet, oldest first; counts are totals up to each. */
  readonly #waiting: {
    readonly latest: Instant;
    readonly count: number;
    readonly outlasting: number;
  }[] = [];
  /** When the first proving attempt left, and the last one. */
  #provingFrom: Instant = 0;
  #provingAt: Instant = Number.NEGATIVE_INFINITY;
  readonly #outageMs: number;
  readonly #leastApartMs: number;
  #foundAt: Instant = Number.NEGATIVE_INFINITY;
  #answers: Answers;

  /**
   * `outageMs`: the longest outage that a connection survives. `answers`: which probes the peer
   * answers; default all.
   */
  constructor(
    outageMs: number,
    answers: Answers = ORDINARY_ANSWERS,
    leastApartMs: number = LEAST_APART_MS,
  ) {
    this.#outageMs = outageMs;
    this.#leastApartMs = leastApartMs;
    this.#answers = answers;
  }

  /** When an outage that the attempts are to outlast began: with the first one that shows it. */
  get outageFrom(): Instant {
    return Math.max(this.proving > 0 ? this.#provingFrom : this.firstAt, this.#foundAt);
  }

  /**
   * Records that `count` attempts were made in all. If that is more than before, the newest left
   * between `earliest` and `latest`.
   */
  seen(count: number, earliest: Instant, latest: Instant): void {
    this.#add(count, earliest, latest, count - this.count);
  }

  /** Does the same when the newest attempt is a probe, which may not be part of the proof. */
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

    // When several attempts are new, only the newest can have left as late as `latest`.
    if (proving > 1)
      this.#waiting.push({
        latest: latest - this.#leastApartMs,
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

  /** What happened: data entered flight. Its transmissions are added to the proving attempts. */
  takeOff(): void {
    if (this.proving === 0) this.clear();
    this.count = this.proving;
    this.beforeFlight = this.count;
  }

  /**
   * What happened: the peer was heard, and acknowledged nothing of what is in flight. That may
   * answer the probes from before, late, so they prove nothing any more.
   */
  heardInFlight(): void {
    if (this.beforeFlight > 0) this.clear();
  }

  /** What happened: the first attempt turned out to have left by `at`. */
  firstLeftBy(at: Instant): void {
    if (this.count === 0) return;
    this.firstAt = Math.min(this.firstAt, at);
    this.#provingFrom = Math.min(this.#provingFrom, at);
  }

  /** Returns how many attempts left by `at`, as far as is known. */
  leftBy(at: Instant): number {
    if (this.lastAtLatest <= at) return this.count;
    return this.#waiting.findLast(({ latest }) => latest <= at)?.count ?? this.settled;
  }

  /** The probes before data entered flight, if that data left once and no more. */
  get passedByData(): number {
    return this.count - this.beforeFlight <= 1 ? this.beforeFlight : 0;
  }

  /**
   * What happened: the kernel dated a transmission at `at`, but its count is not known to have
   * grown. The last attempt moves there.
   */
  movedTo(at: Instant): void {
    if (this.count === 0 || at <= this.lastAt) return;
    this.lastAt = at;
    this.lastAtLatest = Math.max(this.lastAtLatest, at);
  }

  /**
   * What happened: this process stood still for `gapMs` until `now`. That time proves nothing, so
   * the span of the attempts must not contain it.
   */
  shift(gapMs: number, now: Instant): void {
    this.firstAt = Math.min(now, this.firstAt + gapMs);
    this.#provingFrom = Math.min(now, this.#provingFrom + gapMs);
    this.lastAt = Math.max(this.firstAt, this.lastAt);
    this.#outlastNone();
  }

  /**
   * Marks the first `count` attempts, or all if there are fewer, as found `now`. For the attempts
   * that follow, an outage is taken to have begun `now`.
   */
  cameUpon(count: number, now: Instant): void {
    this.found = Math.min(count, this.count);
    if (this.found === 0) return;
    this.#foundAt = now;
    this.#outlastNone();
  }

  /**
   * Returns how many attempts were lost, given that the peer was heard at `heardAt` and that an
   * answer takes `answerMs` at least. The newest attempt that left that long before was answered.
   * Attempts before it were lost; attempts after it are still on their way.
   */
  lostWhen(heardAt: Instant, answerMs: number, answerWindowMs: number): number {
    if (this.count === 0) return 0;
    // Too late to be an answer to any of them.
    if (heardAt >= this.lastAtLatest + Math.max(answerWindowMs, answerMs)) return this.count;

    const newest = this.#waiting.findLast(({ latest }) => latest <= heardAt - answerMs)?.count;
    return Math.max(0, (newest ?? this.settled) - 1);
  }

  /** Settles the attempts that have had `windowMs` to be answered. */
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

  clear(answers: Answers = this.#answers): void {
    this.#answers = answers;
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

/** The kernel's first timeout on a LAN (RTO_MIN). Probes are further apart than this. */
const LEAST_APART_MS = 200;
