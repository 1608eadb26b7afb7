/** Readings of a calm connection come this far apart at most, but for the round trip. */
const READ_EVERY_MS = 2300;
/** Answers within this time are seen by one reading. */
const READ_AT_ONCE_MS = 300;
/** So many shown answers are two different ones in two readings at least. */
const ENOUGH = 4;

/**
 * Keeps which answers to probes readings can show. What else is heard soon after an answer hides
 * it: a reading shows what was heard last.
 */
export class ShownAnswers {
  /** Nobody takes readings while the process stands still. */
  isRead = true;
  readonly #hidesMs: number;
  /** Answers that may still be hidden, oldest first. */
  #recent: number[] = [];
  #count = 0;
  #lastAt = Number.NEGATIVE_INFINITY;
  #leastGapMs: number = Number.POSITIVE_INFINITY;

  constructor(rttMs: number) {
    this.#hidesMs = READ_EVERY_MS + 3 * rttMs;
  }

  /** The least time between two shown answers; infinite until enough were shown. */
  get leastGapMs(): number {
    const gaps = this.#recent.map((at, i) => at - (this.#recent[i - 1] ?? this.#lastAt));
    const isEnough = this.#count + this.#recent.length >= ENOUGH;
    return isEnough ? Math.min(this.#leastGapMs, ...gaps) : Number.POSITIVE_INFINITY;
  }

  answered(at: number): void {
    this.#confirm(at);
    // Late answers come all at once, and a reading shows only the last.
    if (at - (this.#recent.at(-1) ?? this.#lastAt) < READ_AT_ONCE_MS) this.#recent.pop();
    if (this.isRead) this.#recent.push(at);
  }

  /** Anything but an answer to a probe was heard. */
  heard(at: number): void {
    this.#confirm(at);
    this.#recent.length = 0;
  }

  #confirm(now: number): void {
    for (
      let at = this.#recent[0];
      at !== undefined && now - at >= this.#hidesMs;
      at = this.#recent[0]
    ) {
      this.#leastGapMs = Math.min(this.#leastGapMs, at - this.#lastAt);
      this.#lastAt = at;
      this.#count++;
      this.#recent.shift();
    }
  }
}
