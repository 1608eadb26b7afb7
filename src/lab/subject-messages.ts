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
  readonly zeroWindowToleranceMs?: number;
  /** Instead of the mechanism's own. */
  readonly timers?: SubjectTimers;
  /** Opened so long after the command. */
  readonly afterMs?: number;
}

export type SubjectCommand =
  | { readonly do: "open"; readonly connections: readonly SubjectConnection[] }
  | { readonly do: "block"; readonly ms: number }
  /** A few bytes on every connection. */
  | { readonly do: "say" }
  | { readonly do: "diagnose" };

/** `at` is CLOCK_MONOTONIC in ms. */
export type SubjectEvent = { readonly id: string; readonly at: number } & (
  | { readonly event: "connected" | "closed" }
  | { readonly event: "error"; readonly code: string }
  | { readonly event: "suspect" | "alive" | "dead" | "end" | "now"; readonly diagnosis: Diagnosis }
);
