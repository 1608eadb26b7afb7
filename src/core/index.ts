/** `halfopen/core`: the pure part. No I/O, clock, timer or Node built-in: instants and evidence come in, verdicts and deadlines go out. */
export { type Case, classify, type Finding } from "./classify.ts";
export { classifyEnding } from "./classify-ending.ts";
export type { Cause, Certainty, Diagnosis, Evidence, LocalPath, OtherConnections, State } from "./diagnosis.ts";
export { HalfOpenError, type HalfOpenErrorCode } from "./errors.ts";
export { type Flow, flowOf } from "./flow.ts";
export type { Instant } from "./instant.ts";
export { Liveness, type LivenessOptions } from "./liveness.ts";
export { LocalHealth } from "./local-health.ts";
export { LossEstimator } from "./loss-estimator.ts";
export { LARGEST_BUDGET_MS, OUTAGE_SHARE, type ProbePlan, type ProbePlanInput, planProbes, SMALLEST_BUDGET_MS } from "./probe-plan.ts";
export { ProcessProof } from "./process-proof.ts";
export type { TcpInfo, TcpState } from "./tcp-info.ts";
export { TimerWheel, type WheelEntry } from "./timer-wheel.ts";
