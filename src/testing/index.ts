export {
  constantDelay,
  type DelayLaw,
  exponentialDelay,
  lognormalDelay,
  paretoDelay,
  uniformDelay,
} from "../core/detectors/delay-law.ts";
export type { AccrualDetector, Detector, Verdict } from "../core/detectors/detector.ts";
export type { DetectorQosReport } from "../core/detectors/detector-qos.ts";
export type { GilbertElliott, LossLaw } from "../core/detectors/loss-law.ts";
export { deadPeerError } from "./dead-peer-error.ts";
export { type ConformanceCheck, detectorConformance } from "./detector-conformance.ts";
export type { DetectorUnderTest } from "./detector-under-test.ts";
export type { EpisodeLaw } from "./episodes.ts";
export { HeartbeatStream, type HeartbeatStreamOptions } from "./heartbeat-stream.ts";
export type { PathLaw } from "./path.ts";
export { type ArrivalStream, type RecordedHeartbeat, RecordedStream } from "./recorded-stream.ts";
export { seededRandom } from "./seeded-random.ts";
export {
  type RecordedPath,
  type SimulationOptions,
  type SimulationReport,
  type SimulationRun,
  simulateDetector,
} from "./simulate-detector.ts";
export { VirtualClock } from "./virtual-clock.ts";
export { VirtualLink, type VirtualLinkOptions } from "./virtual-link.ts";
