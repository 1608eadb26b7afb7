import timers from "node:timers";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";

interface Timer {
  unref(): Timer;
  ref(): Timer;
  cancel(): void;
}

/** The real ones, kept before anything stands in for them. */
const realImmediate = setImmediate;
const originals = { setTimeout, clearTimeout, setImmediate, clearImmediate };
const [realNow, realDateNow, realRandom] = [performance.now, Date.now, Math.random];

/**
 * Stands in for the clocks, timers and chance of this process, so that what runs in it lives in
 * virtual time and repeats itself. Install it before the product is loaded.
 */
export class VirtualTime {
  readonly #clock: VirtualClock = new VirtualClock(1000);
  #stoodStillUntil = 0;
  #random: () => number = realRandom;

  get now(): number {
    return Math.max(this.#clock.now, this.#stoodStillUntil);
  }

  install(): void {
    const timer = (at: number, work: () => void): Timer => {
      const cancel = this.#clock.schedule(at, work);
      const it: Timer = { unref: () => it, ref: () => it, cancel };
      return it;
    };
    const later = (work: (...args: unknown[]) => void, ms = 0, ...args: unknown[]): Timer =>
      timer(this.now + Math.max(1, ms), () => work(...args));
    const soon = (work: (...args: unknown[]) => void, ...args: unknown[]): Timer =>
      timer(this.now, () => work(...args));
    const clear = (it: Timer | null | undefined): void => it?.cancel?.();
    const standIns = {
      setTimeout: later,
      clearTimeout: clear,
      setImmediate: soon,
      clearImmediate: clear,
    };
    Object.assign(globalThis, standIns);
    Object.assign(timers, standIns); // where kernel/clock.ts takes them
    performance.now = () => this.now;
    Date.now = () => Math.floor(this.now);
    Math.random = () => this.#random();
  }

  uninstall(): void {
    Object.assign(globalThis, originals);
    Object.assign(timers, originals);
    performance.now = realNow;
    Date.now = realDateNow;
    Math.random = realRandom;
  }

  /** Draws all chance from this generator from now on. */
  seed(random: () => number): void {
    this.#random = random;
  }

  /** Lives until `at`. */
  runTo(at: number): void {
    this.#clock.runUntil(at);
  }

  /** Stands still until `at`: what is due in between runs late, then. */
  standStillUntil(at: number): void {
    this.#stoodStillUntil = Math.max(this.#stoodStillUntil, at);
    this.#clock.runUntil(at);
  }

  /** Lets promises, ticks and closing sockets of the real event loop run. */
  settle(): Promise<void> {
    return new Promise((resolve) => {
      realImmediate(() => resolve());
    });
  }
}
