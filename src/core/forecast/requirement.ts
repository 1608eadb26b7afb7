import type { LossLaw } from "../detectors/loss-law.ts";
import type { DetectionTime, Platform } from "./prediction.ts";

/** The promises that a plan has to keep. */
export interface Requirement {
  /** Longest time in ms until a dead peer is found. 300 to 86400000. */
  readonly detectWithinMs: number;
  /**
   * The longest outage in ms that must not end a connection; default 0: none is asked for. 0 to
   * 86400000.
   */
  readonly surviveOutageMs?: number;
  /** Round-trip time in ms; default 1. */
  readonly rttMs?: number;
  /** Mean deviation of the round-trip time in ms; default 0. */
  readonly jitterMs?: number;
  /** Share of packets lost each way, 0 to below 1, or a law of bursts; default 0.01. */
  readonly loss?: LossLaw;
  /** Number of connections that the promise holds for together; default 1. */
  readonly connections?: number;
  /** Live peers that may be given up in a year, on all connections together; default 1. */
  readonly falseAlarmsPerYear?: number;
  /** Default `"linux"`. */
  readonly platform?: Platform;
}

export interface KeepaliveTimers {
  readonly idleMs: number;
  readonly intervalMs: number;
  readonly count: number;
}

/** Settings of one platform. `null`: the platform cannot keep the demand with this mechanism. */
export interface PlatformPlan {
  readonly keepalive: KeepaliveTimers | null;
  readonly userTimeoutMs: number | null;
  readonly heartbeat: { readonly intervalMs: number; readonly timeoutMs: number } | null;
  readonly idle: DetectionTime | null;
  readonly inFlight: DetectionTime | null;
  readonly falseAlarmsPerYear: number | null;
}

/** Options for `watch`. */
export interface PlannedWatch {
  readonly detectWithinMs: number;
  readonly surviveOutageMs?: number;
  /** The heartbeat that a budget below 2500 ms takes, and its price. */
  readonly heartbeat?: PlannedHeartbeat;
}

/** A heartbeat, and what it costs on all connections together while they are quiet. */
export interface PlannedHeartbeat {
  /** Silence in ms after which it leaves. */
  readonly afterMs: number;
  readonly packetsPerSecond: number;
  readonly bytesPerSecond: number;
  /** Share of one processor that halfopen takes for it; measured on one machine. */
  readonly processorShare: number;
}

export interface Plan {
  readonly feasible: boolean;
  /** The bound that forbids the plan; `null` when feasible. */
  readonly forbiddenBy: string | null;
  /**
   * The shortest time that the same losses, outage, connections and false alarms allow; `null` when
   * the plan is feasible, or when no time is long enough.
   */
  readonly nearestDetectWithinMs: number | null;
  readonly keepalive: KeepaliveTimers | null;
  readonly userTimeoutMs: number | null;
  readonly heartbeat: { readonly intervalMs: number; readonly timeoutMs: number } | null;
  /**
   * The options for `watch`, which needs none of the other settings. `null` when the smallest
   * budget of `watch` is longer, or when the losses or the outage forbid `watch` too.
   */
  readonly watch: PlannedWatch | null;
  readonly predicted: {
    readonly detection: {
      readonly idle: DetectionTime | null;
      readonly inFlight: DetectionTime | null;
    };
    readonly falseAlarmsPerYear: number | null;
    /** Probes and their answers on all connections together, while idle. */
    readonly packetsPerSecond: number | null;
    readonly bytesPerSecond: number | null;
  };
  readonly perPlatform: Readonly<Record<Platform, PlatformPlan>>;
  readonly warnings: readonly string[];
}
