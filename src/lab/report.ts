import type { Diagnosis } from "../core/diagnosis.ts";
import type { Mechanism } from "./mechanisms.ts";
import type { Traffic } from "./subject-messages.ts";

/**
 * One connection under one fault. Times are ms after the strike; `null` means not within the
 * observation, or not predicted.
 */
export interface LabCell {
  readonly fault: string;
  readonly mechanism: Mechanism;
  readonly traffic: Traffic;
  readonly family: 4 | 6;
  readonly tls: boolean;
  readonly privileged: boolean;
  /** Share of round trips lost, 0 to 1. */
  readonly lossRatio: number;
  readonly detectedMs: number | null;
  /** `null`: never, or nothing to time. */
  readonly predictedMs: { readonly best: number; readonly worst: number } | null;
  /**
   * True when the measured time lies within the prediction, widened by 5 % and 100 ms, and when
   * "never" was predicted and came true. `null` when there is nothing to time.
   */
  readonly isAsPredicted: boolean | null;
  /** Error code that the program saw. */
  readonly error: string | null;
  readonly diagnosis: Diagnosis | null;
  /** A connection to a live peer was ended. */
  readonly falseAlarm: boolean;
  readonly ok: boolean;
  /** The broken promise in words; `null` when `ok`. */
  readonly problem: string | null;
  /** Length of the observation. */
  readonly observedMs: number;
}

export interface SkippedFault {
  readonly fault: string;
  readonly why: string;
}

/** Output of `halfopen lab --json`. */
export interface LabReport {
  readonly environment: {
    readonly kernel: string;
    readonly node: string;
    readonly platform: string;
    readonly cpus: number;
    readonly asRoot: boolean;
    readonly length: "quick" | "full";
    readonly startedAt: string;
    readonly tookMs: number;
  };
  readonly detectWithinMs: number;
  /** The longest outage that must not end a connection. */
  readonly surviveOutageMs: number;
  readonly cells: readonly LabCell[];
  readonly skipped: readonly SkippedFault[];
  readonly summary: {
    readonly cells: number;
    readonly ok: number;
    readonly failed: number;
    /** Cells with a prediction. */
    readonly predicted: number;
    /** Cells whose prediction came true. */
    readonly asPredicted: number;
  };
}
