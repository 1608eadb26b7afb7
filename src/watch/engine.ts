import { printable } from "../core/printable.ts";
import type { Instant } from "../core/time/instant.ts";
import { LocalHealth } from "../core/time/local-health.ts";
import { TimerWheel, type WheelEntry } from "../core/time/timer-wheel.ts";

/**
 * What the engine drives. `check` reads the evidence and returns the next instant to be checked at.
 */
export interface Checked extends WheelEntry {
  check(now: Instant): Instant;
  /** Its check throws and throws, and is not made any more. */
  fail(error: unknown): void;
}

/** Check instants are exact to this; far below any answer window. */
const TICK_MS = 10;
/**
 * Work done in one go before the program's own events get their turn: at least the first, and where
 * they take long as much as they took, up to the second. Less would let a busy program starve its
 * checks; more would be a pause that the program feels, since the kernel makes use of the calls in
 * a batch to work off what came in from the network (bench/soak, control).
 */
const SHORTEST_BATCH_MS = 1;
const LONGEST_BATCH_MS = 2.5;
/** Checks done by one reading of the clock; together a fraction of a millisecond. */
const CHECKS_BY_ONE_CLOCK = 8;
/** A calm connection is not looked at again before. */
const CALM_MS = 500;
/** After an unexpected error from the kernel a check is repeated, so many times in a row. */
const RETRY_MS = 1000;
const MOST_RETRIES = 2;

/**
 * One wheel and one timer for all watched connections of an event loop. Never keeps the process
 * alive. After a stall no check runs before the poll phase has delivered what was queued:
 * setImmediate runs right behind it.
 */
class Engine {
  readonly health: LocalHealth = new LocalHealth();
  readonly #wheel: TimerWheel<Checked> = new TimerWheel(TICK_MS, performance.now());
  #timer: NodeJS.Timeout | null = null;
  #armedFor: Instant = Number.POSITIVE_INFINITY;
  #isRunning = false;
  /** When the batch that runs must end. */
  #batchEndsAt: Instant = 0;
  #batchNow: Instant = 0;
  #checksByClock = 0;
  #lastBatchEndedAt: Instant = 0;
  /** How often in a row the checks threw of those whose last one did. */
  readonly #failures: Map<Checked, number> = new Map();
  /** A failure is told of once, not for each connection. */
  readonly #warnedOf: Set<string> = new Set();

  /** Whole milliseconds: instants kept as small integers cost no heap. */
  now(): Instant {
    return Math.floor(performance.now());
  }

  get size(): number {
    return this.#wheel.size;
  }

  schedule(entry: Checked, at: Instant): void {
    if (at === Number.POSITIVE_INFINITY) {
      this.cancel(entry);
      return;
    }
    this.#wheel.schedule(entry, at);
    if (!this.#isRunning) this.#arm();
  }

  cancel(entry: Checked): void {
    this.#wheel.cancel(entry);
    if (this.#failures.size > 0) this.#failures.delete(entry);
  }

  #arm(): void {
    const next = this.#wheel.nextDue();
    if (next >= this.#armedFor) return;
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    this.#armedFor = next;
    if (next === Number.POSITIVE_INFINITY) return;
    const delayMs = Math.min(next - performance.now(), 0x7fff_ffff);
    this.#timer = setTimeout(this.#onTimer, Math.max(1, Math.ceil(delayMs)));
    this.#timer.unref();
  }

  readonly #onTimer = (): void => {
    const now = this.now();
    const due = Math.min(this.#armedFor, now);
    this.#timer = null;
    this.#armedFor = Number.POSITIVE_INFINITY;
    this.#isRunning = true;
    this.#lastBatchEndedAt = performance.now();
    if (this.health.tick(due, now, Date.now())) setImmediate(this.#run);
    else this.#run();
  };

  readonly #run = (): void => {
    const startedAt = performance.now();
    if (this.health.tick(Math.floor(this.#lastBatchEndedAt), Math.floor(startedAt), Date.now())) {
      // The program stood still between two batches: what was queued comes first here too.
      this.#lastBatchEndedAt = startedAt;
      setImmediate(this.#run);
      return;
    }
    const programMs = startedAt - this.#lastBatchEndedAt;
    this.#batchEndsAt =
      startedAt + Math.min(LONGEST_BATCH_MS, Math.max(SHORTEST_BATCH_MS, programMs));
    this.#batchNow = Math.floor(startedAt);
    this.#checksByClock = CHECKS_BY_ONE_CLOCK;
    const isDone = this.#wheel.advance(startedAt, this.#checkNext);
    if (!isDone) {
      this.#lastBatchEndedAt = performance.now();
      setImmediate(this.#run);
      return;
    }
    this.#isRunning = false;
    this.#arm();
  };

  /** Tells whether there is time for another. */
  readonly #checkNext = (entry: Checked): boolean => {
    const next = this.#checkSafely(entry, this.#batchNow);
    if (next !== Number.POSITIVE_INFINITY) this.#wheel.schedule(entry, next);
    // What is not calm is looked at again soon, or never, and takes long.
    const isCalm = next - this.#batchNow >= CALM_MS && next !== Number.POSITIVE_INFINITY;
    if (--this.#checksByClock > 0 && isCalm) return true;
    const now = performance.now();
    this.#batchNow = Math.floor(now);
    this.#checksByClock = CHECKS_BY_ONE_CLOCK;
    return now < this.#batchEndsAt;
  };

  /**
   * One socket that the kernel refuses to talk about must not stop the others, and a timer never
   * throws.
   */
  #checkSafely(entry: Checked, now: Instant): Instant {
    try {
      const next = entry.check(now);
      if (this.#failures.size > 0) this.#failures.delete(entry);
      return next;
    } catch (error) {
      return this.#failed(entry, now, error);
    }
  }

  #failed(entry: Checked, now: Instant, error: unknown): Instant {
    const failures = (this.#failures.get(entry) ?? 0) + 1;
    this.#warn(printable(error instanceof Error ? error.message : String(error)));
    if (failures <= MOST_RETRIES) {
      this.#failures.set(entry, failures);
      return now + RETRY_MS;
    }
    this.#failures.delete(entry);
    try {
      entry.fail(error);
    } catch (unexpected) {
      this.#warn(String(unexpected));
    }
    return Number.POSITIVE_INFINITY;
  }

  #warn(message: string): void {
    const kind = message.replace(/\d+/g, "");
    if (this.#warnedOf.has(kind)) return;
    this.#warnedOf.add(kind);
    process.emitWarning(
      `a check failed, and is given up when it fails ${MOST_RETRIES + 1} times in a row: ${message}`,
      {
        type: "HalfOpenWarning",
        code: "HALFOPEN_CHECK_FAILED",
      },
    );
  }
}

/** The engine of this event loop; every worker thread that imports this module has its own. */
export const engine: Engine = new Engine();
