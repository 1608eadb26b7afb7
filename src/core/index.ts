/**
 * `halfopen/core`: the pure part, without I/O, clock, timer or Node built-in. Instants and evidence
 * come in, verdicts and deadlines go out.
 */
export type { Case, Finding } from "./cause/case.ts";
export { classify } from "./cause/classify.ts";
export { classifyEnding } from "./cause/classify-ending.ts";
export { BertierDetector, type BertierOptions } from "./detectors/bertier-detector.ts";
export {
  type ChenConfiguration,
  type ChenRequirement,
  configureNfdS,
  configureNfdSFromMoments,
  configureNfdU,
  type DelayMoments,
} from "./detectors/chen-configuration.ts";
export {
  type ChenQos,
  type ChenQosInput,
  chenQos,
  type FixedTimeoutQosInput,
  fixedTimeoutMistakesPerHour,
} from "./detectors/chen-qos.ts";
export {
  constantDelay,
  type DelayLaw,
  exponentialDelay,
  lognormalDelay,
  paretoDelay,
  uniformDelay,
} from "./detectors/delay-law.ts";
export type { AccrualDetector, Detector, Verdict } from "./detectors/detector.ts";
export { DetectorQos, type DetectorQosReport } from "./detectors/detector-qos.ts";
export {
  ExponentialAccrualDetector,
  type ExponentialAccrualOptions,
} from "./detectors/exponential-accrual-detector.ts";
export {
  FixedTimeoutDetector,
  type FixedTimeoutOptions,
} from "./detectors/fixed-timeout-detector.ts";
export type { GilbertElliott, LossLaw } from "./detectors/loss-law.ts";
export { NfdEDetector, type NfdEOptions } from "./detectors/nfd-e-detector.ts";
export { NfdSDetector, type NfdSOptions } from "./detectors/nfd-s-detector.ts";
export { NfdUDetector, type NfdUOptions } from "./detectors/nfd-u-detector.ts";
export { PhiAccrualDetector, type PhiAccrualOptions } from "./detectors/phi-accrual-detector.ts";
export {
  leastAttempts,
  leastMistakesPerHour,
  leastSilenceMs,
  type MistakeBoundInput,
} from "./detectors/silence-bound.ts";
export { type SentPacket, silenceProbability } from "./detectors/silence-probability.ts";
export { TwoWindowDetector, type TwoWindowOptions } from "./detectors/two-window-detector.ts";
export type {
  Cause,
  Certainty,
  Diagnosis,
  Evidence,
  LocalPath,
  OtherConnections,
  State,
} from "./diagnosis.ts";
export {
  HalfOpenError,
  type HalfOpenErrorCode,
  OutageBoundError,
  type OutagePair,
  type SystemErrorCode,
} from "./errors.ts";
export { plan } from "./forecast/plan.ts";
export { predict } from "./forecast/predict.ts";
export type {
  DetectionTime,
  Platform,
  Prediction,
  PredictSettings,
  SurvivedOutages,
  SystemSettings,
} from "./forecast/prediction.ts";
export type { KeepaliveTimers, Plan, PlatformPlan, Requirement } from "./forecast/requirement.ts";
export { Liveness } from "./judge/liveness.ts";
export type { LivenessOptions } from "./judge/liveness-options.ts";
export { type Lesson, LossBelief } from "./judge/loss-belief.ts";
export { longestOutage, type OutageBound, type OutageMeans } from "./judge/outage-bound.ts";
export { PathLoss } from "./judge/path-loss.ts";
export {
  type Belief,
  DEFAULT_FALSE_ALARMS_PER_YEAR,
  LARGEST_BUDGET_MS,
  OUTAGE_SHARE,
  type ProbePlan,
  type ProbePlanInput,
  planProbes,
  SMALLEST_BUDGET_MS,
} from "./judge/probe-plan.ts";
export { ProcessProof } from "./judge/process-proof.ts";
export { type Flow, flowOf } from "./judge/reading.ts";
export type { TcpInfo, TcpState } from "./tcp-info.ts";
export type { Instant } from "./time/instant.ts";
export { LocalHealth } from "./time/local-health.ts";
export { TimerWheel, type WheelEntry } from "./time/timer-wheel.ts";
