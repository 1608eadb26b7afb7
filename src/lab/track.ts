import type { Diagnosis } from "../core/diagnosis.ts";
import type { Mechanism } from "./mechanisms.ts";
import type { Traffic } from "./subject-messages.ts";

/** The plan of one connection of the lab. */
export interface CellPlan {
  readonly mechanism: Mechanism;
  readonly traffic: Traffic;
  readonly family: 4 | 6;
  readonly tls: boolean;
}

/** The record of one connection. Instants are CLOCK_MONOTONIC in ms. */
export interface Track {
  readonly plan: CellPlan;
  connectedAt: number | null;
  closedAt: number | null;
  deadAt: number | null;
  error: string | null;
  diagnosis: Diagnosis | null;
}
