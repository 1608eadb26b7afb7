import type { Diagnosis } from "../core/diagnosis.ts";
import type { Mechanism } from "./mechanisms.ts";
import type { Traffic } from "./subject-messages.ts";

/**
 * One connection under one fault. Times in ms after the strike; `null` = not within the
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
  /** `null`: never, or nothing that is to be timed. */
  readonly predictedMs: { readonly best: number; readonly worst: number } | null;
  /**
   * Whether what was measured lies within the prediction, widened by 5 % and 100 ms, or was rightly
   * never; `null` where nothing is to be timed.
   */
  readonly isAsPredicted: boolean | null;
  /** The error code that the program saw. */
  readonly error: string | null;
  readonly diagnosis: Diagnosis | null;
  /** A live peer was given up. */
  readonly falseAlarm: boolean;
  readonly ok: boolean;
  /** Why not, in words. */
  readonly problem: string | null;
  /** How long the cell was observed. */
  readonly observedMs: number;
}

export interface SkippedFault {
  readonly fault: string;
  readonly why: string;
}

/** What `halfopen lab --json` prints. */
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
  readonly cells: readonly LabCell[];
  readonly skipped: readonly SkippedFault[];
  readonly summary: {
    readonly cells: number;
    readonly ok: number;
    readonly failed: number;
    /** Cells with a prediction, and those of them that it was right for. */
    readonly predicted: number;
    readonly asPredicted: number;
  };
}
