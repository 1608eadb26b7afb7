/**
 * A clock that moves only by calls. Actions run in the order of their instants, and within one
 * instant in the order of scheduling. So a test of a day of virtual time takes no time, and ends
 * the same way every time.
 *
 * ```ts
 * const clock = new VirtualClock();
 * clock.schedule(clock.now + 5000, () => console.log("five seconds later"));
 * clock.advance(10_000);
 * ```
 */
export class VirtualClock {
  #now: number;
  #order = 0;
  /** A binary heap: the earliest entry is at 0. */
  readonly #heap: Entry[] = [];

  /** `startMs` is the first instant; default 0. */
  constructor(startMs = 0) {
    this.#now = startMs;
  }

  get now(): number {
    return this.#now;
  }

  /** Number of actions that are still scheduled, cancelled ones included. */
  get pending(): number {
    return this.#heap.length;
  }

  /**
   * Runs `action` when the clock reaches `at`; an instant in the past means now. Returns a function
   * that cancels the action.
   */
  schedule(at: number, action: () => void): () => void {
    const entry: Entry = { at: Math.max(at, this.#now), order: this.#order++, action };
    this.#push(entry);
    return () => {
      entry.action = null;
    };
  }

  /** Moves the clock by `ms`, and runs the actions due until then. */
  advance(ms: number): void {
    this.runUntil(this.#now + ms);
  }

  /** Moves the clock to `at`, and runs the actions due until then. */
  runUntil(at: number): void {
    for (let next = this.#heap[0]; next && next.at <= at; next = this.#heap[0]) {
      this.#pop();
      this.#now = next.at;
      next.action?.();
    }
    this.#now = Math.max(this.#now, at);
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(entry, heap[parent] as Entry)) break;
      heap[at] = heap[parent] as Entry;
      at = parent;
    }
    heap[at] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Entry;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Entry, heap[child] as Entry))
        child++;
      if (!isBefore(heap[child] as Entry, last)) break;
      heap[at] = heap[child] as Entry;
      at = child;
    }
    heap[at] = last;
  }
}

interface Entry {
  readonly at: number;
  readonly order: number;
  action: (() => void) | null;
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
