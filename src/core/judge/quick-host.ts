import type { TcpInfo } from "../tcp-info.ts";
import type { Instant } from "../time/instant.ts";
import { ORDINARY_ANSWERS } from "./answers.ts";
import { Attempts } from "./attempts.ts";
import type { PathLoss } from "./path-loss.ts";
import { attemptsNeededBy, outlastingNeededBy } from "./probe-plan.ts";
import { LATENESS_MS, type QuickTerms } from "./quick-terms.ts";
import { isStuckLocally, readingOf, type Snapshot } from "./reading.ts";

/**
 * Proves within a fraction of a second that a host is gone, from heartbeats that go on while one is
 * unanswered. Until the kernel's first timeout each of them leaves as a segment of its own, and a
 * live host acknowledges what arrives, also out of order. So each is an attempt by itself.
 * Sans-I/O.
 *
 * Only the kernel's counters and ages are evidence: a stall of this process leaves attempts out,
 * but makes none look unanswered. Readings are needed only while an answer is missing.
 */
export class QuickHost {
  terms: QuickTerms;
  readonly #falseAlarmsPerYear: number;
  readonly #attempts: Attempts;
  #last: Snapshot | null = null;
  /** Segments with data that had left before the oldest that is unanswered. */
  #answered = 0;
  /** When the host was last proven to be there. */
  #provenAt: Instant = Number.POSITIVE_INFINITY;
  #isBackingOff = false;
  /** A heartbeat of this silence left, and waits behind no data of the program's. */
  #hasLeft = false;

  constructor(terms: QuickTerms, falseAlarmsPerYear: number) {
    this.terms = terms;
    this.#falseAlarmsPerYear = falseAlarmsPerYear;
    this.#attempts = new Attempts(terms.outageMs - CLOCK_MS, ORDINARY_ANSWERS, 0);
  }

  /** Attempts whose answer is missing. */
  get unanswered(): number {
    return this.#attempts.settled;
  }

  get firstUnansweredAt(): Instant {
    return this.#attempts.firstAt;
  }

  /** An attempt is unanswered that left when an outage that is to be survived must be over. */
  get isOutlasted(): boolean {
    return this.#attempts.settledOutlasting > 0;
  }

  /** The kernel repeats what it sent, and sends nothing new. */
  get isBackingOff(): boolean {
    return this.#isBackingOff;
  }

  /** What happened: a reading. */
  observe(at: Instant, info: TcpInfo): void {
    const reading = readingOf(at, info, this.#last ?? at);
    this.#last = reading;
    const { unackedSegments = 0, sackedSegments = 0, dataSegmentsOut = 0, retransmits = 0 } = info;
    const { lastDataSentMs = 0, notSentBytes = 0 } = info;
    const waiting = unackedSegments - sackedSegments;
    // What this host does not get out is tried again at each heartbeat, and counted.
    const isStuck = isStuckLocally(info);
    this.#isBackingOff = retransmits > 0;
    if (reading.since.isFirst || reading.since.progressed || (waiting === 0 && !isStuck))
      this.#begin(at, info, waiting);
    this.#hasLeft ||= isStuck || notSentBytes === 0;
    const sentAt = at - lastDataSentMs;
    // The kernel's timer runs from the first: each timeout dates it.
    if (reading.since.timeouts > 0) this.#attempts.firstLeftBy(sentAt - timedOutAfterMs(info));
    this.#attempts.seen(dataSegmentsOut - this.#answered, sentAt, sentAt);
    this.#attempts.settle(at, this.terms.windowMs);
  }

  /**
   * What happened: the peer was heard, or the machine slept. What was seen before proves nothing.
   */
  clear(): void {
    this.#last = null;
    this.#isBackingOff = false;
    this.#attempts.clear();
  }

  /** Returns whether the budget has ended, but for our own lateness: nothing can come in time. */
  isOver(now: Instant): boolean {
    return now >= this.#provenAt + this.terms.budgetMs - LATENESS_MS;
  }

  /** Returns whether neither the path's loss nor an outage explains the silence. */
  isProven(now: Instant, loss: PathLoss): boolean {
    const { settled, settledOutlasting } = this.#attempts;
    return (
      this.#hasLeft &&
      settled >= quickAttemptsNeeded(loss, this.#falseAlarmsPerYear, this.terms) &&
      settledOutlasting >= (this.isOver(now) ? 1 : outlastingNeededBy(loss))
    );
  }

  /**
   * Returns whether, at the end of the budget, attempts have been unanswered for longer than an
   * outage that is to be survived. Where the path is broken on this host no loss explains that, and
   * the kernel may have let too few out for more.
   */
  hasLasted(now: Instant): boolean {
    const isLong = now - this.firstUnansweredAt >= this.terms.outageMs;
    return this.unanswered > 0 && isLong && this.isOver(now);
  }

  #begin(
    at: Instant,
    { dataSegmentsOut = 0, lastAckReceivedMs = 0 }: TcpInfo,
    waiting: number,
  ): void {
    this.#attempts.clear();
    this.#hasLeft = false;
    this.#answered = dataSegmentsOut - waiting;
    this.#provenAt = at - lastAckReceivedMs;
  }
}

/** Returns how long after the first transmission the last timeout came, at least. */
function timedOutAfterMs({ rtoMs = 0, backoff = 0, retransmits = 0 }: TcpInfo): number {
  return (rtoMs / 2 ** backoff) * (2 ** retransmits - 1);
}

/** The kernel dates what left by its clock, which ticks at 4 ms (HZ=250). */
const CLOCK_MS = 4;

/** Returns how many unanswered attempts loss does not explain. */
function quickAttemptsNeeded(
  loss: PathLoss,
  falseAlarmsPerYear: number,
  { quietMs }: QuickTerms,
): number {
  // A quiet connection falls silent once in this time; the plan's silences are a second and longer.
  const silences = 1000 / quietMs;
  return attemptsNeededBy(loss, "idle", falseAlarmsPerYear / silences, 1000);
}
