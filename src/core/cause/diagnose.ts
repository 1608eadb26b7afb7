import type { Diagnosis, LocalPath, OtherConnections, State } from "../diagnosis.ts";
import type { Judgement } from "../judge/judgement.ts";
import type { TcpInfo } from "../tcp-info.ts";
import type { Finding } from "./case.ts";
import { classify } from "./classify.ts";
import { classifyEnding, type Ending } from "./classify-ending.ts";

/** The part of a judgement that a diagnosis rests on. */
export type Judged = Pick<
  Judgement,
  | "state"
  | "flow"
  | "unanswered"
  | "firstUnansweredAt"
  | "failedHere"
  | "isHeardWithoutProgress"
  | "isDeaf"
  | "isOverdue"
  | "isRushed"
  | "isOutlasted"
  | "lateMs"
  | "doubt"
  | "refuted"
>;

/** The facts about a connection, beside the judgement, that a diagnosis needs. */
export interface Surroundings {
  /** `address:port`, IPv6 in brackets. */
  readonly local: string | null;
  readonly remote: string | null;
  readonly label: string | null;
  /** The last reading. */
  readonly info: TcpInfo | null;
  /** How long ago the peer was last heard; `null` where nothing shows it. */
  readonly silentForMs: number | null;
  /** Now, as epoch milliseconds: a label for people. */
  readonly wallClock: number;
  readonly loss: { readonly ratio: number; readonly isNotable: boolean };
  /** This host's link, address and route to the peer; `null`: not checked. */
  readonly localPath: LocalPath | null;
  readonly others: OtherConnections | null;
  /** Keepalive runs, so that silence means something. */
  readonly isQuestioned: boolean;
  /** TCP_RTO_MAX_MS caps the backoff of window probes. */
  readonly hasRtoCap: boolean;
  /** How long the process behind the peer has left a heartbeat unanswered; `null`: it has not. */
  readonly processSilentForMs: number | null;
  readonly heartbeatFailure: string | null;
  /** The process behind the peer never answered a heartbeat: its silence proves nothing. */
  readonly isProcessMute: boolean;
  /** The socket of this host that answers in the peer's place; `null`: none is known. */
  readonly localProxy: string | null;
  /** How long this process stood still just now; `null`: it did not. */
  readonly pausedForMs: number | null;
}

/** Returns the diagnosis of a connection that still exists. */
export function diagnose(judged: Judged, around: Surroundings): Diagnosis {
  const { state, flow, unanswered, failedHere, isHeardWithoutProgress, isRushed } = judged;
  const { isDeaf, refuted, doubt } = judged;
  const { loss, heartbeatFailure } = around;
  const finding = classify({
    state,
    flow,
    info: around.info,
    localPath: around.localPath,
    others: around.others,
    silentForMs: around.silentForMs,
    unansweredAttempts: unanswered,
    areAttemptsLocal: failedHere,
    lossRatio: loss.ratio,
    isLossy: loss.isNotable,
    refuted,
    isHeardWithoutProgress,
    isDeaf,
    isRushed,
    isQuestioned: around.isQuestioned,
    processSilentForMs: around.processSilentForMs,
    isProcessMute: around.isProcessMute,
    pausedForMs: around.pausedForMs,
    localProxy: around.localProxy,
    doubt,
    hasRtoCap: around.hasRtoCap,
  });
  const heartbeat =
    heartbeatFailure === null ? [] : [`the last heartbeat failed: ${heartbeatFailure}`];
  const why = [...finding.why, ...heartbeat];
  const mute = around.isProcessMute ? [MUTE] : [];
  const unknown = [...finding.unknown, ...mute, ...latenessOf(judged)];
  return diagnosisOf(state, { ...finding, why, unknown }, judged, around);
}

const MUTE =
  "whether the process behind the peer works: it never answered a heartbeat on this connection, so its silence proves nothing";

/** Says in words that the answers may only be late, where this path was seen to delay them. */
function latenessOf({ state, lateMs }: Judged): string[] {
  if (state !== "suspect" || lateMs === 0) return [];
  return [
    `whether the answers are only late: on this path they came ${(lateMs / 1000).toFixed(1)} s late, so they are waited for twice as long`,
  ];
}

/** Returns the diagnosis of a connection that the kernel or the program ended. */
export function diagnoseEnding(
  ending: Pick<Ending, "errorCode" | "hasPeerEnded" | "isAfterOwnEnd">,
  judged: Judged,
  around: Surroundings,
): Diagnosis {
  const { info, localPath, pausedForMs } = around;
  const { state, ...finding } = classifyEnding({
    ...ending,
    info,
    unansweredAttempts: judged.unanswered,
    localPath,
    pausedForMs,
  });
  return diagnosisOf(state, finding, judged, around, ending.errorCode);
}

/** Puts a diagnosis together. */
export function diagnosisOf(
  state: State,
  finding: Finding,
  judged: Judged,
  around: Surroundings,
  errorCode: string | null = null,
): Diagnosis {
  const { silentForMs, wallClock, info, localPath, others, local, remote, label } = around;
  return {
    state,
    ...finding,
    overdue: judged.isOverdue,
    silentForMs,
    since: silentForMs === null ? null : Math.round(wallClock - silentForMs),
    evidence: {
      tcpInfo: info,
      errorCode,
      localPath,
      unansweredAttempts: judged.unanswered,
      lossRatio: around.loss.ratio,
      others,
    },
    local,
    remote,
    label,
  };
}

/** The judgement of a connection with nothing unanswered. */
export const CALM: Judged = {
  state: "alive",
  flow: "idle",
  unanswered: 0,
  firstUnansweredAt: 0,
  failedHere: false,
  isHeardWithoutProgress: false,
  isDeaf: false,
  isOverdue: false,
  isRushed: false,
  isOutlasted: false,
  lateMs: 0,
  doubt: null,
  refuted: null,
};

/** The surroundings of a connection about which nothing is known beside the judgement. */
export const UNKNOWN_SURROUNDINGS: Surroundings = {
  local: null,
  remote: null,
  label: null,
  info: null,
  silentForMs: null,
  wallClock: 0,
  loss: { ratio: 0, isNotable: false },
  localPath: null,
  others: null,
  isQuestioned: false,
  hasRtoCap: false,
  processSilentForMs: null,
  heartbeatFailure: null,
  isProcessMute: false,
  localProxy: null,
  pausedForMs: null,
};
