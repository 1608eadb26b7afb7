import type { Diagnosis } from "../core/diagnosis.ts";
import type { Mechanism, SubjectTimers } from "./mechanisms.ts";
import type { PeerRole } from "./peer-ports.ts";

export type Traffic = "idle" | "in-flight";

export interface SubjectConnection {
  readonly id: string;
  readonly mechanism: Mechanism;
  readonly traffic: Traffic;
  readonly role: PeerRole;
  readonly host: string;
  readonly tls: boolean;
  readonly budgetMs: number;
  readonly surviveOutageMs?: number | undefined;
  readonly zeroWindowToleranceMs?: number;
  /** Timers to set in place of the mechanism's own. */
  readonly timers?: SubjectTimers;
  /** Time from the command to the opening. */
  readonly afterMs?: number;
}

/** A command to the watched program. */
export type SubjectCommand =
  | { readonly do: "open"; readonly connections: readonly SubjectConnection[] }
  | { readonly do: "block"; readonly ms: number }
  /** Writes a few bytes on every connection. */
  | { readonly do: "say" }
  /** Writes this much at once on every connection that talks. */
  | { readonly do: "upload"; readonly bytes: number }
  /** Sets the wall clock forward, for this program alone. */
  | { readonly do: "step-clock"; readonly ms: number }
  /** Gives every connection to a child process. */
  | { readonly do: "hand-over" }
  | { readonly do: "diagnose" };

/** An event of one connection. `at` is CLOCK_MONOTONIC in ms. */
export type SubjectEvent = { readonly id: string; readonly at: number } & (
  | { readonly event: "connected" | "closed" }
  | { readonly event: "error"; readonly code: string }
  | { readonly event: "suspect" | "alive" | "dead" | "end" | "now"; readonly diagnosis: Diagnosis }
);
