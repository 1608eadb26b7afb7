export type { FoundConnection, RuleOptions } from "./auto/rules.ts";
export { AllWatch, type WatchAllOptions, watchAll } from "./auto/watch-all.ts";
export type { DetectorQosReport } from "./core/detectors/detector-qos.ts";
export type {
  Cause,
  Certainty,
  Diagnosis,
  Evidence,
  LocalPath,
  OtherConnections,
  State,
} from "./core/diagnosis.ts";
export {
  DeadPeerError,
  HalfOpenError,
  type HalfOpenErrorCode,
  OutageBoundError,
  type OutagePair,
  type SystemError,
  type SystemErrorCode,
} from "./core/errors.ts";
export { plan } from "./core/forecast/plan.ts";
export { predict } from "./core/forecast/predict.ts";
export type {
  DetectionTime,
  Platform,
  Prediction,
  PredictSettings,
  SurvivedOutages,
  SystemSettings,
} from "./core/forecast/prediction.ts";
export type {
  KeepaliveTimers,
  Plan,
  PlatformPlan,
  Requirement,
} from "./core/forecast/requirement.ts";
export type { TcpInfo, TcpState } from "./core/tcp-info.ts";
export { type Capabilities, capabilities } from "./kernel/capabilities.ts";
export { type NudgeResult, nudge } from "./kernel/nudge.ts";
export type { AppliedKeepalive } from "./kernel/options/applied-keepalive.ts";
export { getKeepalive, type KeepaliveSettings, setKeepalive } from "./kernel/options/keepalive.ts";
export { getUserTimeout, setUserTimeout } from "./kernel/options/user-timeout.ts";
export { readTcpInfo } from "./kernel/tcp-info/tcp-info.ts";
export type { Applied } from "./watch/applied.ts";
export type { ConnectionsWatch, ServerWatchEvents } from "./watch/connections-watch.ts";
export { diagnose } from "./watch/diagnose.ts";
export type { Heartbeat, WatchDetector, WatchOptions } from "./watch/options.ts";
export type { StateMessage } from "./watch/state-channel.ts";
export type { WatchedConnection } from "./watch/subscribers.ts";
export { watch } from "./watch/watch.ts";
export { ServerWatch, type WatchServerOptions, watchServer } from "./watch/watch-server.ts";
export { Watcher, type WatcherEvents } from "./watch/watcher.ts";
