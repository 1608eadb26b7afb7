import { AsyncLocalStorage } from "node:async_hooks";
import { printable } from "../core/printable.ts";
import type { Instant } from "../core/time/instant.ts";
import { LocalHealth } from "../core/time/local-health.ts";
import { TimerWheel, type WheelEntry } from "../core/time/timer-wheel.ts";
import { afterPoll, monotonicMs, startTimer, stopTimer, wallClockMs } from "../kernel/clock.ts";
import { bootClock } from "../kernel/system/boot-clock.ts";

/**
 * An entry that the engine checks when it is due. `check` reads the evidence and returns the next
 * deadline.
 */
export interface Checked extends WheelEntry {
  check(now: Instant): Instant;
  /** Called when `check` threw too often in a row; the entry is not checked any more. */
  fail(error: unknown): void;
}

/**
 * Runs in the asynchronous context of the import. The timer serves all connections: the context in
 * which the program made one of them is none of the others'.
 */
const inNoContext: ReturnType<typeof AsyncLocalStorage.snapshot> = AsyncLocalStorage.snapshot();

/**
 * One wheel and one timer for all watched connections of an event loop. It never keeps the process
 * alive. After a stall, checks run right after the poll phase has delivered what
 * was queued.
 */
class Engine {
  readonly health: LocalHealth = new LocalHealth(bootClock);
  readonly #wheel: TimerWheel<Checked> = new TimerWheel(TICK_MS, monotonicMs());
  #timer: NodeJS.Timeout | null = null;
  #armedFor: Instant = Number.POSITIVE_INFINITY;
  /** When the timer is due: not before it was set, though the wheel may have rested since. */
  #dueAt: Instant = Number.POSITIVE_INFINITY;
  #isRunning = false;
  /** End of the time that the running batch has. */
  #batchEndsAt: Instant = 0;
  #batchNow: Instant = 0;
  #checksByClock = 0;
  #lastBatchEndedAt: Instant = 0;
  /** Failures in a row, for each entry whose last check threw. */
  readonly #failures: Map<Checked, number> = new Map();
  /** Failures already warned of: each is reported once, not once for each connection. */
  readonly #warnedOf: Set<string> = new Set();

  /** Returns whole milliseconds, because instants kept as small integers cost no heap. */
  now(): Instant {
    return Math.floor(monotonicMs());
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
    if (this.#timer) stopTimer(this.#timer);
    this.#timer = null;
    this.#armedFor = next;
    if (next === Number.POSITIVE_INFINITY) return;
    const now = monotonicMs();
    this.#dueAt = Math.max(next, now);
    const delayMs = Math.min(next - now, 0x7fff_ffff);
    this.#timer = inNoContext(startTimer, this.#onTimer, Math.max(1, Math.ceil(delayMs)));
    this.#timer.unref();
  }

  readonly #onTimer = (): void => {
    const now = this.now();
    const due = Math.min(this.#dueAt, now);
    this.#timer = null;
    this.#armedFor = Number.POSITIVE_INFINITY;
    this.#isRunning = true;
    this.#lastBatchEndedAt = monotonicMs();
    if (this.#hasPaused(due, now)) afterPoll(this.#run);
    else this.#run();
  };

  /** Notices a pause that ended `now`. A suspend makes all evidence stale, so all are checked. */
  #hasPaused(due: Instant, now: Instant): boolean {
    const pause = this.health.tick(due, now, wallClockMs());
    if (pause?.kind === "suspend") this.#wheel.hasten(now, WAKING_APART_MS);
    return pause !== null;
  }

  readonly #run = (): void => {
    const startedAt = monotonicMs();
    if (this.#hasPaused(Math.floor(this.#lastBatchEndedAt), Math.floor(startedAt))) {
      // The program stood still between two batches: deliver what was queued first, here too.
      this.#lastBatchEndedAt = startedAt;
      afterPoll(this.#run);
      return;
    }
    const programMs = startedAt - this.#lastBatchEndedAt;
    this.#batchEndsAt =
      startedAt + Math.min(LONGEST_BATCH_MS, Math.max(SHORTEST_BATCH_MS, programMs));
    this.#batchNow = Math.floor(startedAt);
    this.#checksByClock = CHECKS_BY_ONE_CLOCK;
    const isDone = this.#wheel.advance(startedAt, this.#checkNext);
    if (!isDone) {
      this.#lastBatchEndedAt = monotonicMs();
      afterPoll(this.#run);
      return;
    }
    this.#isRunning = false;
    this.#arm();
  };

  /** Returns whether the batch has time for another check. */
  readonly #checkNext = (entry: Checked): boolean => {
    const next = this.#checkSafely(entry, this.#batchNow);
    if (next !== Number.POSITIVE_INFINITY) this.#wheel.schedule(entry, next);
    // A check that is not calm takes long, so the clock is read after each of them.
    const isCalm = next - this.#batchNow >= CALM_MS && next !== Number.POSITIVE_INFINITY;
    if (--this.#checksByClock > 0 && isCalm) return true;
    const now = monotonicMs();
    this.#batchNow = Math.floor(now);
    this.#checksByClock = CHECKS_BY_ONE_CLOCK;
    return now < this.#batchEndsAt;
  };

  /**
   * Checks, and catches what the check throws: one refused socket must not stop the others, and a
   * timer must not throw.
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

/** Resolution of deadlines; far below any answer window. */
const TICK_MS = 10;
/**
 * A batch of checks lasts as long as the program took since the last batch, but at least SHORTEST
 * and at most LONGEST. A shorter batch would let a busy program starve its checks. A longer one
 * would be a pause that the program feels, because the kernel uses the calls in a batch to work off
 * packets from the network (bench/soak, control).
 */
const SHORTEST_BATCH_MS = 1;
const LONGEST_BATCH_MS = 2.5;
/** Checks for each reading of the clock; together they take a fraction of a millisecond. */
const CHECKS_BY_ONE_CLOCK = 8;
/**
 * After a suspend checks are at least this far apart, and so are the probes that they send: 10,000
 * in a second. A queue of the kernel holds 1000 packets (net.core.netdev_max_backlog, txqueuelen).
 */
const WAKING_APART_MS = 0.1;
/** A check was calm if the next one is due after this time or later. */
const CALM_MS = 500;
/** A check that threw is repeated after this time, at most MOST_RETRIES times in a row. */
const RETRY_MS = 1000;
const MOST_RETRIES = 2;

/** The engine of this event loop; every worker thread that imports this module has its own. */
export const engine: Engine = new Engine();
