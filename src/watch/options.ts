import type { Detector } from "../core/detectors/detector.ts";

/**
 * Any function that resolves when the peer's *process* answered. Called only when nothing was
 * heard, one call at a time. Where it returns `undefined` instead of a promise the process cannot
 * be asked just now, and only the host is judged.
 */
export type Heartbeat = () => PromiseLike<unknown> | unknown;

/**
 * A failure detector from `halfopen/core`, or your own, for the answers to a heartbeat.
 * `detectorConformance` of `halfopen/testing` takes the same object. What it suspects is final
 * where `expect` is `"process"`: its mistakes are false alarms, so leave it margin for loss, which
 * TCP turns into delays from 200 ms on. Any byte since the question refutes it, and
 * `detectWithinMs` still ends every silence.
 *
 * ```ts
 * const make = (now) => new NfdEDetector({ intervalMs: 1000, marginMs: 1500 }, now);
 * watch(socket, { heartbeat, detector: { intervalMs: 1000, make } });
 * ```
 */
export interface WatchDetector {
  /**
   * How often the heartbeat is called, in ms, whether or not the peer was heard; 50 to
   * `detectWithinMs`. One call at a time: the next waits for its turn.
   */
  readonly intervalMs: number;
  /**
   * Makes the detector of one connection. Called once before the watch begins, to check what it
   * makes, and again for each connection.
   */
  make(now: number): Detector;
}

export interface WatchOptions {
  /** Time in ms within which a dead peer is to be found. 2500 to 86400000; default 10000. */
  readonly detectWithinMs?: number | undefined;
  /**
   * Asks the peer's process; see `halfopen/heartbeat` for ready ones. Default none: kernel evidence
   * only.
   */
  readonly heartbeat?: Heartbeat | undefined;
  /**
   * Another judge of the heartbeat's answers than the budget alone; needs `heartbeat`. Default
   * none: the process is held to be gone after `detectWithinMs` without a sign of it. See {@link
   * WatchDetector}.
   */
  readonly detector?: WatchDetector | undefined;
  /**
   * Whose silence is death: the peer's `"host"` (its kernel), or its `"process"`. Default
   * `"process"` with a heartbeat, else `"host"`.
   */
  readonly expect?: "host" | "process" | undefined;
  /**
   * Live peers that may be called dead by packet loss, a connection and year; default 0.008766,
   * which is one in a million connection-hours. More lets silence be proven with fewer attempts, so
   * sooner: docs/when-it-fires.md#the-budget-and-the-rate. 1e-9 to 1e6.
   */
  readonly falseAlarmsPerYear?: number | undefined;
  /**
   * What happens where the budget ends before silence is proven at that rate. `"wait"` (default):
   * the budget is exceeded, and `overdue` told. `"end"`: the verdict falls with two unanswered
   * attempts, certainty `"medium"`.
   */
  readonly atDeadline?: "wait" | "end" | undefined;
  /**
   * What `dead` does. `"reset"` (default): destroys the socket with a `DeadPeerError` and sends an
   * RST where the path carries it. `"destroy"`: destroys it, the kernel goes on retransmitting what
   * was unsent. `"report"`: only the event.
   */
  readonly onDead?: "reset" | "destroy" | "report" | undefined;
  /**
   * Longest time in ms for which a live peer may keep its window closed while this process cannot
   * act; the kernel's user timeout is never set below. 1000 to 86400000; default 60000.
   */
  readonly zeroWindowToleranceMs?: number | undefined;
  /** Aborting it ends the watch and leaves the socket as it was. */
  readonly signal?: AbortSignal | undefined;
  /** Your name for the connection, repeated in every diagnosis. */
  readonly label?: string | undefined;
}
