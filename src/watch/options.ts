import type { Detector } from "../core/detectors/detector.ts";
import { HalfOpenError } from "../core/errors.ts";
import {
  DEFAULT_FALSE_ALARMS_PER_YEAR,
  LARGEST_BUDGET_MS,
  SMALLEST_BUDGET_MS,
} from "../core/judge/probe-plan.ts";
import { shareEqual } from "./host/share-equal.ts";

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

export interface WatchSettings {
  readonly detectWithinMs: number;
  readonly heartbeat: Heartbeat | null;
  readonly detector: WatchDetector | null;
  readonly expect: "host" | "process";
  readonly onDead: "reset" | "destroy" | "report";
  readonly zeroWindowToleranceMs: number;
  readonly falseAlarmsPerYear: number;
  readonly atDeadline: "wait" | "end";
  readonly label: string | null;
}

const DEFAULT_BUDGET_MS = 10_000;
const DEFAULT_ZERO_WINDOW_TOLERANCE_MS = 60_000;
/** The tick of checks is 10 ms. */
const SMALLEST_HEARTBEAT_MS = 50;
/** What two watches must agree on to be one. */
const ASKED = [
  "detectWithinMs",
  "heartbeat",
  "detector",
  "zeroWindowToleranceMs",
  "falseAlarmsPerYear",
  "atDeadline",
  "onDead",
] as const;
const SMALLEST_RATE = 1e-9;
const LARGEST_RATE = 1e6;
const KNOWN = new Set([
  "falseAlarmsPerYear",
  "atDeadline",
  "detectWithinMs",
  "heartbeat",
  "detector",
  "expect",
  "onDead",
  "zeroWindowToleranceMs",
  "signal",
  "label",
]);

/** Checks what the caller asked for. @throws HalfOpenError `ERR_OPTION_RANGE` */
export function settingsOf(options: WatchOptions = {}): WatchSettings {
  if (typeof options !== "object" || options === null)
    throw refused(`options must be an object, got ${describe(options)}`);
  for (const name of Object.keys(options)) {
    if (!KNOWN.has(name))
      throw refused(`unknown option ${JSON.stringify(name)}; known are ${[...KNOWN].join(", ")}`);
  }
  const {
    heartbeat,
    expect,
    onDead = "reset",
    label,
    falseAlarmsPerYear = DEFAULT_FALSE_ALARMS_PER_YEAR,
    atDeadline = "wait",
  } = options;
  if (
    typeof falseAlarmsPerYear !== "number" ||
    !(falseAlarmsPerYear >= SMALLEST_RATE && falseAlarmsPerYear <= LARGEST_RATE)
  )
    throw refused(
      `falseAlarmsPerYear must be a number from ${SMALLEST_RATE} to ${LARGEST_RATE}, got ${describe(falseAlarmsPerYear)}`,
    );
  if (atDeadline !== "wait" && atDeadline !== "end")
    throw refused(`atDeadline must be "wait" or "end", got ${describe(atDeadline)}`);
  if (heartbeat !== undefined && typeof heartbeat !== "function")
    throw refused(
      `heartbeat must be a function that resolves when the peer answered, got ${describe(heartbeat)}`,
    );
  if (expect !== undefined && expect !== "host" && expect !== "process")
    throw refused(`expect must be "host" or "process", got ${describe(expect)}`);
  if (expect === "process" && !heartbeat)
    throw refused(
      'expect: "process" needs a heartbeat: kernel evidence proves the host only. Pass one, or leave expect out',
    );
  if (onDead !== "reset" && onDead !== "destroy" && onDead !== "report")
    throw refused(`onDead must be "reset", "destroy" or "report", got ${describe(onDead)}`);
  if (label !== undefined && typeof label !== "string")
    throw refused(`label must be a string, got ${describe(label)}`);
  checkSignal(options.signal);
  return sharedSettings({
    detectWithinMs: duration(
      "detectWithinMs",
      options.detectWithinMs === undefined ? DEFAULT_BUDGET_MS : options.detectWithinMs,
      SMALLEST_BUDGET_MS,
    ),
    zeroWindowToleranceMs: duration(
      "zeroWindowToleranceMs",
      options.zeroWindowToleranceMs === undefined
        ? DEFAULT_ZERO_WINDOW_TOLERANCE_MS
        : options.zeroWindowToleranceMs,
      1000,
    ),
    falseAlarmsPerYear,
    atDeadline,
    heartbeat: heartbeat ?? null,
    detector: checkedDetector(options),
    expect: expect ?? (heartbeat ? "process" : "host"),
    onDead,
    label: label ?? null,
  });
}

const sharedSettings: (settings: WatchSettings) => WatchSettings = shareEqual();

/**
 * Two watches of one socket share its kernel options: the shorter budget, the longer tolerance and
 * the stronger action hold.
 */
export function merge(a: WatchSettings, b: WatchSettings): WatchSettings {
  const strength = ["report", "destroy", "reset"] as const;
  const heartbeat = a.heartbeat ?? b.heartbeat;
  return {
    detectWithinMs: Math.min(a.detectWithinMs, b.detectWithinMs),
    zeroWindowToleranceMs: Math.max(a.zeroWindowToleranceMs, b.zeroWindowToleranceMs),
    falseAlarmsPerYear: Math.min(a.falseAlarmsPerYear, b.falseAlarmsPerYear),
    atDeadline: a.atDeadline === "wait" ? "wait" : b.atDeadline,
    heartbeat,
    detector: a.detector ?? b.detector,
    expect: a.expect === "process" || b.expect === "process" ? "process" : "host",
    onDead: strength[Math.max(strength.indexOf(a.onDead), strength.indexOf(b.onDead))] ?? "reset",
    label: a.label ?? b.label,
  };
}

/** Whether a connection watched with these settings goes on as it is with those. */
export function asksTheSame(a: WatchSettings, b: WatchSettings): boolean {
  return ASKED.every((name) => a[name] === b[name]);
}

/** A detector that cannot work is refused here, not in the middle of a connection. */
function checkedDetector({
  detector,
  heartbeat,
  detectWithinMs = DEFAULT_BUDGET_MS,
}: WatchOptions): WatchDetector | null {
  if (detector === undefined) return null;
  if (!heartbeat) throw refused("detector judges the answers to a heartbeat: pass one too");
  if (typeof detector !== "object" || detector === null || typeof detector.make !== "function")
    throw refused(`detector must be { intervalMs, make(now) }, got ${describe(detector)}`);
  const { intervalMs } = detector;
  if (!(intervalMs >= SMALLEST_HEARTBEAT_MS && intervalMs <= detectWithinMs))
    throw refused(
      `detector.intervalMs must be from ${SMALLEST_HEARTBEAT_MS} to detectWithinMs, which is ${detectWithinMs}; got ${describe(intervalMs)}`,
    );
  const made: Partial<Detector> | null = detector.make(0);
  for (const name of ["heard", "stalled", "nextDeadline", "verdict"] as const)
    if (typeof made?.[name] !== "function")
      throw refused(`detector.make must return a Detector, and what it returned has no ${name}()`);
  return detector;
}

function duration(name: string, value: number, smallest: number): number {
  if (typeof value !== "number" || !(value >= smallest && value <= LARGEST_BUDGET_MS)) {
    throw refused(
      `${name} must be a number of milliseconds from ${smallest} to ${LARGEST_BUDGET_MS}, got ${describe(value)}`,
    );
  }
  return Math.floor(value);
}

function checkSignal(signal: unknown): void {
  if (signal !== undefined && !(signal instanceof AbortSignal))
    throw refused(`signal must be an AbortSignal, got ${describe(signal)}`);
}

function describe(value: unknown): string {
  return typeof value === "object" && value !== null
    ? (value.constructor?.name ?? "an object")
    : `${typeof value} ${String(value)}`;
}

function refused(message: string): HalfOpenError {
  return new HalfOpenError("ERR_OPTION_RANGE", message);
}
