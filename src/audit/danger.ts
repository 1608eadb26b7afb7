import type { Diagnosis } from "../core/diagnosis.ts";

/** The dangers of a connection, least first. */
export const DANGERS = ["in-order", "never-notices", "leak", "suspect", "dead"] as const;
export type Danger = (typeof DANGERS)[number];

/** Returns the greatest danger. `neverNotices`: the kernel would never find its peer's death. */
export function dangerOf(diagnosis: Diagnosis | null, neverNotices: boolean): Danger {
  if (diagnosis?.state === "dead" || diagnosis?.state === "suspect") return diagnosis.state;
  if (diagnosis?.cause === "never-closed") return "leak";
  return neverNotices ? "never-notices" : "in-order";
}
