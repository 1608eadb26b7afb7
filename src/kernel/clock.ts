import { performance } from "node:perf_hooks";
import timers from "node:timers";
import { setTimeout as wait } from "node:timers/promises";

/**
 * The clocks and timers of what runs inside a program, taken once, at import. A program's tests
 * replace the global ones later (sinon, Jest, vitest, `node:test`): a faked clock then neither
 * counts nor stops ours. Taken from Node's modules, because a fake that was installed before this
 * import replaces the globals alone.
 */
export const startTimer: (run: () => void, ms: number) => NodeJS.Timeout = timers.setTimeout;
export const stopTimer: (timer: NodeJS.Timeout) => void = timers.clearTimeout;
/** Runs after the poll phase, which delivers what was queued. */
export const afterPoll: (run: () => void) => NodeJS.Immediate = timers.setImmediate;
/** Runs before the event loop goes on. */
export const nextTick: (run: () => void) => void = process.nextTick;
export const sleep: (ms: number) => Promise<unknown> = wait;

/** Returns milliseconds that only move forwards, with fractions. */
export const monotonicMs: () => number = performance.now.bind(performance);
/** Returns epoch milliseconds: a label for people, never a measure. */
export const wallClockMs: () => number = Date.now;
