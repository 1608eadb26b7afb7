import type { Diagnosis } from "../core/diagnosis.ts";
import type { Evidence } from "./evidence.ts";

/** The phase of a watched connection; connection.ts has the table of phases. */
export type Phase = typeof PENDING | Evidence | Dead | Ended;

export const PENDING = { name: "pending" } as const;

interface Dead {
  readonly name: "dead";
  readonly evidence: Evidence;
  readonly diagnosis: Diagnosis;
}

interface Ended {
  readonly name: "ended";
  readonly diagnosis: Diagnosis | null;
}

/** Returns the evidence that a connection holds in this phase. */
export function evidenceIn(phase: Phase): Evidence | null {
  if (phase.name === "watched") return phase;
  return phase.name === "dead" ? phase.evidence : null;
}

/** Returns the diagnosis that stays; `null` while anything may still change. */
export function lastDiagnosisIn(phase: Phase): Diagnosis | null {
  return phase.name === "dead" || phase.name === "ended" ? phase.diagnosis : null;
}
