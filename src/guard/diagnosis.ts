import { classify } from "../core/cause/classify.ts";
import type { Diagnosis, LocalPath, OtherConnections } from "../core/diagnosis.ts";
import { doubtOf } from "../core/judge/answers.ts";
import type { ConfirmedVerdict } from "../core/judge/confirmed-verdict.ts";
import type { Instant } from "../core/time/instant.ts";
import type { Guarded } from "./guarded.ts";

/** The evidence behind a verdict of the guard, in the form that a watch gives. */
export function diagnoseGuarded(
  connection: Guarded,
  verdict: ConfirmedVerdict,
  now: Instant,
  localPath: LocalPath | null,
  others: OtherConnections | null,
): Diagnosis {
  const { liveness } = verdict;
  const { info, answers } = connection;
  const silentForMs = Math.max(0, now - liveness.heardAt);
  const finding = classify({
    state: liveness.state,
    flow: liveness.flow,
    info,
    localPath,
    others,
    silentForMs,
    unansweredAttempts: liveness.attempts.count,
    areAttemptsLocal: liveness.attempts.areLocal,
    lossRatio: verdict.liveness.loss.ratio,
    isLossy: liveness.loss.isNotable,
    refuted: liveness.lastSuspicion,
    isHeardWithoutProgress: liveness.isHeardWithoutProgress,
    isRushed: liveness.isRushed,
    isQuestioned: connection.settings !== null,
    processSilentForMs: null,
    pausedForMs: null,
    // Of the connection, not of its verdict: a rule may have that believe all probes.
    doubt: doubtOf(answers, liveness),
    hasRtoCap: connection.settings?.rtoMaxMs != null,
  });
  return {
    state: liveness.state,
    ...finding,
    overdue: verdict.isOverdue,
    silentForMs: Math.round(silentForMs),
    since: Math.round(Date.now() - silentForMs),
    evidence: {
      tcpInfo: info,
      errorCode: null,
      localPath,
      unansweredAttempts: liveness.attempts.count,
      lossRatio: verdict.liveness.loss.ratio,
      others,
    },
    local: connection.local,
    remote: connection.remote,
    label: connection.process,
  };
}
