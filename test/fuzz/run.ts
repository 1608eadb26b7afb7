import type { Cause, Certainty, State } from "../../src/core/diagnosis.ts";
import type { AtTheEnd } from "./promise.ts";

/** What came of a world, whether it was modelled or real. */
export interface Run {
  readonly lives: readonly Life[];
}

/** What came of one connection. */
export interface Life {
  /** All that was said of it, in order. */
  readonly words: Word[];
  /** When it was called dead, or its socket closed; infinite: neither. `null` while it lasts. */
  endedAtMs: number | null;
  /** The kernel ended it, not a verdict. */
  isKernels: boolean;
  /** What was known when its peer was gone; `null`: that never was. */
  atTheEnd: AtTheEnd | null;
  /** When packets were lost by chance. */
  readonly lostAt: readonly number[];
  /** When packets left that called for an answer, if some may be lost by chance. */
  readonly leftAt: readonly number[];
}

/** A diagnosis as it was said, or asked for. */
export interface Word {
  readonly event: "suspect" | "overdue" | "alive" | "dead" | "close" | "now";
  readonly atMs: number;
  readonly state: State;
  readonly cause: Cause;
  readonly certainty: Certainty;
  readonly silentForMs: number | null;
  readonly attempts: number;
  readonly lossRatio: number;
}
