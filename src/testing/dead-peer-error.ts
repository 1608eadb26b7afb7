import { CALM, diagnosisOf, UNKNOWN_SURROUNDINGS } from "../core/cause/diagnose.ts";
import type { Diagnosis } from "../core/diagnosis.ts";
import { DeadPeerError } from "../core/errors.ts";

/**
 * Returns the error that a watch ends a socket with, for tests of what a program does then: no
 * peer has to die and no time has to pass. A watch runs on the real clock, also where a test has
 * replaced the global timers, so a faked clock brings no verdict nearer.
 *
 * ```ts
 * socket.destroy(deadPeerError({ remote: "10.0.0.7:5432" }));
 * ```
 *
 * `diagnosis`: what matters to the test. The rest is that of a host that fell silent 10 s ago:
 * `path-silent`, `high`.
 */
export function deadPeerError(diagnosis: Partial<Diagnosis> = {}): DeadPeerError {
  return new DeadPeerError({ ...SILENT, ...diagnosis });
}

const SILENT: Diagnosis = {
  ...diagnosisOf(
    "dead",
    {
      cause: "path-silent",
      certainty: "high",
      why: ["no answer to 5 attempts"],
      unknown: ["whether the host or the path is down"],
    },
    { ...CALM, state: "dead", unanswered: 5 },
    { ...UNKNOWN_SURROUNDINGS, silentForMs: 10_000 },
  ),
  since: null,
};
