import type { State } from "../diagnosis.ts";
import type { Answers } from "./answers.ts";
import type { Flow } from "./reading.ts";
import type { Silence } from "./silence.ts";

/** The part of a judgement that decides whether it rests on probes. */
export interface Probed {
  readonly state: State;
  readonly flow: Flow;
  /** The attempts failed on this host. */
  readonly failedHere: boolean;
}

/** Returns whether a suspicion rests on probes that the peer may not answer even while alive. */
export function isDoubtful(answers: Answers, { state, flow, failedHere }: Probed): boolean {
  if (state === "alive" || flow === "in-flight" || failedHere) return false;
  return !answers.areOrdinary;
}

/** Returns the doubt in words; `null`: the silence is believed. */
export function doubtOf(answers: Answers, judged: Probed): string | null {
  return isDoubtful(answers, judged) ? answers.doubt : null;
}

/**
 * Returns whether a box may have begun to drop probes: then data may still come within the budget,
 * and the verdict waits for its end. That data of ours has left meanwhile makes probes from before
 * no better.
 */
export function mayHaveStopped(answers: Answers, { flow, attempts }: Silence): boolean {
  const restsOnProbes = flow !== "in-flight" || attempts.beforeFlight > 0;
  return restsOnProbes && !attempts.areLocal && !answers.areSettled;
}
