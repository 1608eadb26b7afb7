import type { Cause, Diagnosis } from "../core/diagnosis.ts";
import { isQuickBudget } from "../core/judge/quick-terms.ts";
import type { Fault } from "./fault.ts";
import { agrees, foundWithinMs, predictedFor } from "./predicted.ts";
import { CALM_GRACE_MS } from "./pressure.ts";
import type { LabCell } from "./report.ts";
import type { Traffic } from "./subject-messages.ts";
import type { CellPlan, Track } from "./track.ts";

export interface Observation {
  readonly struckAt: number;
  readonly budgetMs: number;
  /** Default 0.4 of the budget. */
  readonly surviveOutageMs?: number;
  readonly observedMs: number;
  /** How much later than promised an end may be seen; default as on a calm machine. */
  readonly graceMs?: number;
}

/**
 * Compares what happened to one connection with what had to happen. Only halfopen is held to a
 * promise; the other mechanisms are measured.
 */
export function judge(fault: Fault, track: Track, observation: Observation): LabCell {
  const { plan } = track;
  const { struckAt, budgetMs, surviveOutageMs, observedMs } = observation;
  const foundAt = track.deadAt ?? track.closedAt;
  const detectedMs = foundAt === null ? null : Math.round(foundAt - struckAt);
  const isFound = detectedMs !== null;
  const falseAlarm = fault.effect === "lives" && isFound;

  const predicted = predictedFor(fault, plan.mechanism, plan.traffic, budgetMs, surviveOutageMs);
  const problem =
    plan.mechanism === "watch" ? problemOf(fault, track, detectedMs, observation) : null;

  return {
    ...emptyCell(fault, plan),
    detectedMs,
    predictedMs: predicted === "never" ? null : predicted,
    isAsPredicted: predicted && agrees(predicted, detectedMs, observedMs),
    error: track.error,
    diagnosis: track.diagnosis,
    falseAlarm,
    ok: problem === null,
    problem,
    observedMs: Math.round(observedMs),
  };
}

/** Returns the cells of a fault that could not be run. None of them may pass as kept. */
export function notRun(fault: Fault, plans: readonly CellPlan[], error: unknown): LabCell[] {
  const problem = `could not be run: ${error instanceof Error ? error.message : String(error)}`;
  return plans.map((plan) => ({
    ...emptyCell(fault, plan),
    ok: false,
    problem,
  }));
}

function emptyCell(fault: Fault, { mechanism, traffic, family, tls }: CellPlan): LabCell {
  return {
    fault: fault.id,
    mechanism,
    traffic,
    family,
    tls,
    privileged: false,
    lossRatio: roundTripLoss(fault),
    detectedMs: null,
    predictedMs: null,
    isAsPredicted: null,
    error: null,
    diagnosis: null,
    falseAlarm: false,
    ok: true,
    problem: null,
    observedMs: 0,
  };
}

/** Returns the broken promise in words; `null` when every promise was kept. */
function problemOf(
  fault: Fault,
  track: Track,
  detectedMs: number | null,
  { budgetMs, surviveOutageMs, graceMs = CALM_GRACE_MS }: Observation,
): string | null {
  const { traffic } = track.plan;
  const cause = track.diagnosis?.cause;
  const limitMs = foundWithinMs(fault, traffic, budgetMs, surviveOutageMs);

  if (detectedMs === null) {
    if (limitMs !== null) return "never found";
    if (fault.doubt && !isQuickBudget(budgetMs) && !isDoubtful(fault.doubt, track.diagnosis))
      return `${cause}, ${track.diagnosis?.certainty}, without a word of "${fault.doubt.source}"`;
  } else {
    if (fault.effect === "lives" || fault.effect === "hides")
      return `false alarm after ${detectedMs} ms: ${cause}`;
    if (detectedMs < 0) return `ended ${-detectedMs} ms before the fault`;
    if (limitMs !== null && detectedMs > limitMs + graceMs)
      return `found after ${detectedMs} ms, later than ${Math.round(limitMs + graceMs)} ms`;
  }

  const expected = expectedOf(fault, traffic, budgetMs);
  return cause !== undefined && expected.includes(cause)
    ? null
    : `diagnosed as ${cause}, expected ${expected.join(" or ")}`;
}

/**
 * Within a short budget a heartbeat tells of the process too, and a host that comes back is gone
 * before it can tell.
 */
function expectedOf({ causes, effect }: Fault, traffic: Traffic, budgetMs: number): Cause[] {
  if (!isQuickBudget(budgetMs)) return [...causes[traffic]];
  // The last answer may come behind the first attempt that is lost.
  const silent: Cause[] = effect === "lives" ? ["quiet"] : ["path-silent", "one-way-loss"];
  return [...causes[traffic], "peer-hung", ...silent];
}

function isDoubtful(doubt: RegExp, diagnosis: Diagnosis | null): boolean {
  return (
    diagnosis !== null && diagnosis.certainty !== "certain" && doubt.test(diagnosis.unknown.join())
  );
}

function roundTripLoss({ id }: Fault): number {
  return id === "random-loss-10" ? 0.1 : id === "random-loss-30" ? 0.3 : 0;
}
