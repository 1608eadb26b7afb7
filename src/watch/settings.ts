import type { Detector } from "../core/detectors/detector.ts";
import { HalfOpenError, type SystemError } from "../core/errors.ts";
import { DEFAULT_FALSE_ALARMS_PER_YEAR, LARGEST_BUDGET_MS } from "../core/judge/probe-plan.ts";
import { systemErrorOf } from "../kernel/system/system-error.ts";
import { shareEqual } from "./host/share-equal.ts";
import { requireOutage, smallestBudget } from "./means-here.ts";
import type { ClientHeartbeat, WatchDetector, WatchOptions } from "./options.ts";

/** Checked options, with every default filled in. */
export interface WatchSettings {
  readonly detectWithinMs: number;
  /** `null`: the default, 0.4 of the budget. */
  readonly surviveOutageMs: number | null;
  readonly heartbeat: ClientHeartbeat | null;
  readonly detector: WatchDetector | null;
  readonly expect: "host" | "process";
  /** The peer's process must answer heartbeats from the first one on. */
  readonly isAnswerOwed: boolean;
  readonly onDead: "reset" | "destroy" | "report";
  /** The system's error whose code the error of a dead peer has; `null`: a code of our own. */
  readonly errorAs: SystemError | null;
  readonly onUnheard: "throw" | "warn";
  readonly zeroWindowToleranceMs: number;
  readonly falseAlarmsPerYear: number;
  readonly atDeadline: "wait" | "end";
  readonly label: string | null;
}

/**
 * Checks the options and fills in the defaults.
 *
 * @throws HalfOpenError `ERR_OPTION_RANGE`, `ERR_OUTAGE_BOUND`
 */
export function settingsOf(options: WatchOptions = {}): WatchSettings {
  if (typeof options !== "object" || options === null)
    throw refused(`options must be an object, got ${describe(options)}`);
  for (const name of Object.keys(options)) {
    if (!WATCH_OPTIONS.has(name))
      throw refused(
        `unknown option ${JSON.stringify(name)}; known are ${[...WATCH_OPTIONS].join(", ")}`,
      );
  }
  const {
    heartbeat,
    expect,
    onDead = "reset",
    onUnheard = "throw",
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
  if (onUnheard !== "throw" && onUnheard !== "warn")
    throw refused(`onUnheard must be "throw" or "warn", got ${describe(onUnheard)}`);
  if (label !== undefined && typeof label !== "string")
    throw refused(`label must be a string, got ${describe(label)}`);
  checkSignal(options.signal);
  const settings: WatchSettings = {
    detectWithinMs: duration(
      "detectWithinMs",
      options.detectWithinMs === undefined ? DEFAULT_BUDGET_MS : options.detectWithinMs,
      smallestBudget({ heartbeat: heartbeat ?? null, detector: options.detector ?? null }),
    ),
    surviveOutageMs:
      options.surviveOutageMs === undefined
        ? null
        : duration("surviveOutageMs", options.surviveOutageMs, { ms: 0 }),
    zeroWindowToleranceMs: duration(
      "zeroWindowToleranceMs",
      options.zeroWindowToleranceMs === undefined
        ? DEFAULT_ZERO_WINDOW_TOLERANCE_MS
        : options.zeroWindowToleranceMs,
      { ms: 1000 },
    ),
    falseAlarmsPerYear,
    atDeadline,
    heartbeat: heartbeat ?? null,
    detector: checkedDetector(options),
    expect: expect ?? (heartbeat ? "process" : "host"),
    isAnswerOwed: expect === "process",
    onDead,
    errorAs: checkedErrorCode(options.errorCode),
    onUnheard,
    label: label ?? null,
  };
  return sharedSettings(requireOutage(settings));
}

function checkedErrorCode(code: WatchOptions["errorCode"]): SystemError | null {
  if (code === undefined || code === "ERR_PEER_DEAD") return null;
  const found = systemErrorOf(code);
  if (found) return found;
  throw refused(
    `errorCode must be "ERR_PEER_DEAD" or a code of this system, such as "ECONNRESET"; got ${describe(code)}`,
  );
}

/**
 * Returns the detector, if any. One that cannot work is refused now, not in the middle of a
 * connection.
 */
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
      throw refused(`detector.make must return a Detector; the returned object has no ${name}()`);
  return detector;
}

/** A bound of an option, in ms, and why it is no lower. */
export interface LeastTime {
  readonly ms: number;
  readonly because?: string;
}

function duration(name: string, value: number, { ms: smallest, because }: LeastTime): number {
  if (typeof value !== "number" || !(value >= smallest && value <= LARGEST_BUDGET_MS)) {
    const why = because && value < smallest ? ` (${because})` : "";
    throw refused(
      `${name} must be a number of milliseconds from ${smallest} to ${LARGEST_BUDGET_MS}${why}, got ${describe(value)}`,
    );
  }
  return Math.floor(value);
}

function checkSignal(signal: unknown): void {
  if (signal !== undefined && !(signal instanceof AbortSignal))
    throw refused(`signal must be an AbortSignal, got ${describe(signal)}`);
}

/** Returns a value as messages name it. */
export function describe(value: unknown): string {
  return typeof value === "object" && value !== null
    ? (value.constructor?.name ?? "an object")
    : `${typeof value} ${String(value)}`;
}

/** Returns the error of an option that makes no sense. */
export function refused(message: string): HalfOpenError {
  return new HalfOpenError("ERR_OPTION_RANGE", message);
}

const sharedSettings: (settings: WatchSettings) => WatchSettings = shareEqual();

const DEFAULT_BUDGET_MS = 10_000;
const DEFAULT_ZERO_WINDOW_TOLERANCE_MS = 60_000;

/** Well above the 10 ms tick of the engine. */
const SMALLEST_HEARTBEAT_MS = 50;

const SMALLEST_RATE = 1e-9;
const LARGEST_RATE = 1e6;

/** The names of the options of a watch. */
export const WATCH_OPTIONS: ReadonlySet<string> = new Set([
  "falseAlarmsPerYear",
  "atDeadline",
  "detectWithinMs",
  "surviveOutageMs",
  "heartbeat",
  "detector",
  "expect",
  "onDead",
  "errorCode",
  "onUnheard",
  "zeroWindowToleranceMs",
  "signal",
  "label",
]);
