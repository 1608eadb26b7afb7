import type { Diagnosis } from "../core/diagnosis.ts";
import type { Mechanism } from "./mechanisms.ts";
import type { Traffic } from "./subject-messages.ts";

/** What one connection of the lab is to be. */
export interface CellPlan {
  readonly mechanism: Mechanism;
  readonly traffic: Traffic;
  readonly family: 4 | 6;
  readonly tls: boolean;
}

/** What became of one connection. */
export interface Track {
  readonly plan: CellPlan;
  connectedAt: number | null;
  closedAt: number | null;
  deadAt: number | null;
  error: string | null;
  diagnosis: Diagnosis | null;
}
