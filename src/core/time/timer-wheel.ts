import type { Instant } from "./instant.ts";

/**
 * The fields that the wheel keeps on an entry: links of the slot's list. An entry is in one wheel
 * at a time.
 */
export interface WheelEntry {
  wheelNext: WheelEntry | null;
  wheelPrevious: WheelEntry | null;
  /** Index of the slot, -1 when not scheduled. */
  wheelSlot: number;
  /** Tick at which the entry is due. */
  wheelTick: number;
}

const SLOT_BITS = 8;
const SLOTS = 1 << SLOT_BITS;
const SLOT_MASK = SLOTS - 1;
const LEVELS = 4;
const WORD_BITS = 32;
const WORDS = SLOTS / WORD_BITS;
/** Ticks in one slot of each level. */
const UNITS: readonly number[] = Array.from({ length: LEVELS }, (_, level) => SLOTS ** level);
/** Farthest tick that the levels can hold. An entry beyond the horizon is due there already. */
const HORIZON = SLOTS ** LEVELS - 1;

/**
 * Holds any number of deadlines for one timer: insert, move and cancel cost a few pointer writes,
 * whatever the number of entries. A hierarchical timing wheel (Varghese and Lauck, SOSP 1987,
 * scheme 7). The wheel owns no clock: {@link advance} takes the instant.
 *
 * Entries are due up to one tick late, never early.
 */
export class TimerWheel<Entry extends WheelEntry> {
  readonly #tickMs: number;
  readonly #heads: (WheelEntry | null)[] = new Array<WheelEntry | null>(SLOTS * LEVELS).fill(null);
  /** One bit for each slot, set while the slot holds entries. */
  readonly #occupied: Int32Array = new Int32Array(LEVELS * WORDS);
  #tick: number;
  #size = 0;

  constructor(tickMs: number, now: Instant) {
    this.#tickMs = tickMs;
    this.#tick = Math.floor(now / tickMs);
  }

  get size(): number {
    return this.#size;
  }

  /** Puts or moves the entry to `at`. Past instants and `NaN` are due at the next tick. */
  schedule(entry: Entry, at: Instant): void {
    const due = Math.ceil(at / this.#tickMs);
    const tick = due > this.#tick ? Math.min(due, this.#tick + HORIZON) : this.#tick + 1;
    if (entry.wheelSlot < 0) this.#size++;
    else if (tick >= entry.wheelTick) {
      // The old slot sends the entry on: putting off a deadline, the common case, costs one write
      entry.wheelTick = tick;
      return;
    } else this.#unlink(entry);
    entry.wheelTick = tick;
    this.#link(entry);
  }

  cancel(entry: Entry): void {
    if (entry.wheelSlot < 0) return;
    this.#unlink(entry);
    entry.wheelSlot = -1;
    this.#size--;
  }

  /**
   * Hands out every entry due until `now`, in tick order. The callback may schedule and cancel
   * entries, also the one it was given. It may end the call by returning `false`: the next call
   * goes on from there, so that no entry waits longer than one that was due before it. Returns
   * whether the call came to the end.
   */
  advance(now: Instant, onDue: (entry: Entry) => unknown): boolean {
    const target = Math.floor(now / this.#tickMs);
    if (!this.#expire(onDue)) return false; // entries that an ended call left of its last tick

    while (this.#tick < target) {
      this.#tick = Math.min(target, this.#nextTick());
      for (let level = 1; level < LEVELS && this.#tick % (UNITS[level] ?? 1) === 0; level++)
        this.#cascade(level);
      if (!this.#expire(onDue)) return false;
    }
    return true;
  }

  /** Moves every entry that is due later to `from`, and each next one to `apartMs` after. */
  hasten(from: Instant, apartMs: number): void {
    const entries: WheelEntry[] = [];
    for (const head of this.#heads)
      for (let entry = head; entry; entry = entry.wheelNext) entries.push(entry);

    for (const [i, entry] of entries.entries()) {
      const at = from + i * apartMs;
      if (Math.ceil(at / this.#tickMs) < entry.wheelTick) this.schedule(entry as Entry, at);
    }
  }

  /**
   * Returns the earliest instant at which {@link advance} may hand out an entry; infinite when the
   * wheel is empty.
   */
  nextDue(): Instant {
    return this.#size === 0 ? Number.POSITIVE_INFINITY : this.#nextTick() * this.#tickMs;
  }

  #expire(onDue: (entry: Entry) => unknown): boolean {
    const slot = this.#tick & SLOT_MASK;
    for (let entry = this.#heads[slot]; entry; entry = this.#heads[slot]) {
      if (entry.wheelTick > this.#tick) {
        this.#unlink(entry);
        this.#link(entry);
        continue;
      }
      this.cancel(entry as Entry);
      if (onDue(entry as Entry) === false) return false;
    }
    return true;
  }

  /** Spreads the slot that the present tick has reached in a level over the levels below. */
  #cascade(level: number): void {
    const slot = slotOf(this.#tick, level);
    let entry = this.#heads[slot] ?? null;
    this.#heads[slot] = null;
    this.#mark(slot, false);
    while (entry) {
      const next: WheelEntry | null = entry.wheelNext;
      this.#link(entry);
      entry = next;
    }
  }

  /** Returns the next tick at which an entry may be due or a slot of a higher level is spread. */
  #nextTick(): number {
    let next = Number.POSITIVE_INFINITY;
    for (let level = 0; level < LEVELS; level++) {
      const unit = UNITS[level] ?? 1;
      const position = Math.floor(this.#tick / unit);
      const distance = this.#distanceToOccupied(level, position & SLOT_MASK);
      if (distance > 0) next = Math.min(next, (position + distance) * unit);
    }
    return next;
  }

  /**
   * Returns the number of slots from `from` (exclusive) to the next occupied slot, around the
   * wheel; 0 when the level is empty.
   */
  #distanceToOccupied(level: number, from: number): number {
    const first = (from + 1) & SLOT_MASK;
    for (let i = 0; i <= WORDS; i++) {
      const word = ((first >> 5) + i) & (WORDS - 1);
      let bits = this.#occupied[level * WORDS + word] ?? 0;
      // The first word counts from behind `from`. Its other bits count when the round is complete
      if (i === 0) bits &= -1 << (first & (WORD_BITS - 1));
      if (bits === 0) continue;
      const slot = word * WORD_BITS + (WORD_BITS - 1 - Math.clz32(bits & -bits));
      return ((slot - first) & SLOT_MASK) + 1;
    }
    return 0;
  }

  #link(entry: WheelEntry): void {
    const slot = slotOf(entry.wheelTick, levelOf(entry.wheelTick - this.#tick));
    const head = this.#heads[slot] ?? null;
    entry.wheelSlot = slot;
    entry.wheelPrevious = null;
    entry.wheelNext = head;
    if (head) head.wheelPrevious = entry;
    else this.#mark(slot, true);
    this.#heads[slot] = entry;
  }

  #unlink(entry: WheelEntry): void {
    const { wheelNext: next, wheelPrevious: previous, wheelSlot: slot } = entry;
    if (next) next.wheelPrevious = previous;
    if (previous) previous.wheelNext = next;
    else {
      this.#heads[slot] = next;
      if (!next) this.#mark(slot, false);
    }
    entry.wheelNext = null;
    entry.wheelPrevious = null;
  }

  #mark(slot: number, isOccupied: boolean): void {
    const word = slot >> 5;
    const bit = 1 << (slot & 31);
    this.#occupied[word] = isOccupied
      ? (this.#occupied[word] ?? 0) | bit
      : (this.#occupied[word] ?? 0) & ~bit;
  }
}

/** Returns the finest level that reaches as far as `ticks`. */
function levelOf(ticks: number): number {
  if (ticks < SLOTS) return 0;
  return Math.min(LEVELS - 1, Math.floor((31 - Math.clz32(ticks)) / SLOT_BITS));
}

/**
 * Returns the slot of a tick. A shift takes the low 32 bits of its operand, and all levels lie
 * within 32 bits: the result is right for any tick that a number can hold.
 */
function slotOf(tick: number, level: number): number {
  return level * SLOTS + ((tick >>> (SLOT_BITS * level)) & SLOT_MASK);
}
