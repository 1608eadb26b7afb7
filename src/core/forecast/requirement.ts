import type { LossLaw } from "../detectors/loss-law.ts";
import type { DetectionTime, Platform } from "./prediction.ts";

/** What a plan has to keep. */
export interface Requirement {
  /** Time in ms within which a dead peer is to be found, at worst. 1000 to 86400000. */
  readonly detectWithinMs: number;
  /** Round-trip time in ms; default 1. */
  readonly rttMs?: number;
  /** Mean deviation of the round-trip time in ms; default 0. */
  readonly jitterMs?: number;
  /** Share of packets lost each way, 0 to below 1, or a law of bursts; default 0.01. */
  readonly loss?: LossLaw;
  /** Connections that the promise is for together; default 1. */
  readonly connections?: number;
  /** Live peers that may be given up, all connections together, a year; default 1. */
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

export interface Plan {
  readonly feasible: boolean;
  /** Why not, and what forbids it; `null` when feasible. */
  readonly forbiddenBy: string | null;
  /**
   * The shortest time that the same losses, connections and false alarms allow; `null` when
   * feasible or when none does.
   */
  readonly nearestDetectWithinMs: number | null;
  readonly keepalive: KeepaliveTimers | null;
  readonly userTimeoutMs: number | null;
  readonly heartbeat: { readonly intervalMs: number; readonly timeoutMs: number } | null;
  /**
   * What `watch` is to be given; it needs none of the other settings. `null` where its smallest
   * budget is longer, or where the losses forbid it too.
   */
  readonly watch: { readonly detectWithinMs: number } | null;
  readonly predicted: {
    readonly detection: {
      readonly idle: DetectionTime | null;
      readonly inFlight: DetectionTime | null;
    };
    readonly falseAlarmsPerYear: number | null;
    /** Of all connections, probes and their answers, while idle. */
    readonly packetsPerSecond: number | null;
    readonly bytesPerSecond: number | null;
  };
  readonly perPlatform: Readonly<Record<Platform, PlatformPlan>>;
  readonly warnings: readonly string[];
}
