import { classify } from "../core/cause/classify.ts";
import type { Cause, Diagnosis, LocalPath, State } from "../core/diagnosis.ts";
import { connectingForMs } from "../core/forecast/linux.ts";
import { Answers, doubtOf, ORDINARY_ANSWERS } from "../core/judge/answers.ts";
import type { Flow } from "../core/judge/flow.ts";
import { Liveness } from "../core/judge/liveness.ts";
import { isPastHandshake, type TcpInfo } from "../core/tcp-info.ts";
import type { ConnectionRow } from "../survey/connection-row.ts";
import type { Nudged } from "./nudge-round.ts";

/** What one reading of a connection is judged by. */
export interface VerdictFrame {
  /** Silence that counts as death once questions stay unanswered. */
  readonly detectWithinMs: number;
  /** The cap on backoff, where the connection has one of its own. */
  readonly rtoMaxMs: number | null;
  /** As read or assumed. */
  readonly keepalive: {
    readonly enabled: boolean;
    readonly idleMs: number;
    readonly intervalMs: number;
  };
  /**
   * `false`: the times of keepalive are assumed, so that a count of probes does not tell for how
   * long they were sent.
   */
  readonly isKeepaliveRead: boolean;
  /** What came of asking, where it was asked. */
  readonly nudged: Nudged | null;
  readonly process: string | null;
  readonly unknown: string | null;
  /** Of the connection's namespace. */
  readonly system: { readonly synLinearTimeouts: number; readonly rtoMaxMs: number };
  /** When the kernel gives the connection up if it stays as it is, in ms from its beginning. */
  readonly givesUpAfterMs: number | null;
  /** Epoch ms. */
  readonly wallClock: number;
  /** Looked at for connections in doubt only; `null` where it cannot be. */
  examinePath(row: ConnectionRow): LocalPath | null;
}

/**
 * Says from one reading of the kernel's evidence how a connection is. `null` for a socket without a
 * connection.
 */
export function verdictNow(row: ConnectionRow, frame: VerdictFrame): Diagnosis | null {
  if (!row.hasInfo || row.state === "LISTEN") return null;
  if (!isPastHandshake(row.state)) return connecting(row, frame);
  if (!frame.nudged && isInOrder(row)) return tell(row, ORDINARY, NOT_JUDGED, "alive", frame);
  const info = evidenceOf(row);
  if (!info) return null;
  const silentForMs = row.heardAgeMs ?? 0;
  if (frame.nudged)
    return tell(row, info, frame.nudged.liveness, frame.nudged.liveness.state, frame);
  const liveness = judged(row, info, silentForMs, frame);
  const isFlimsy = liveness.flow === "idle" && !frame.isKeepaliveRead;
  return tell(
    row,
    info,
    liveness,
    liveness.state === "dead" && isFlimsy ? "suspect" : liveness.state,
    frame,
  );
}

/** What {@link verdictNow} says of a connection in order, without its words. */
export function ordinaryVerdict(isKeepaliveOn: boolean): {
  readonly state: State;
  readonly cause: Cause;
} {
  return isKeepaliveOn ? HEALTHY : QUIET;
}

/**
 * Most connections of a machine: decoding and judging all that is known of them would change
 * nothing.
 */
export function isInOrder(row: ConnectionRow): boolean {
  return row.state === "ESTABLISHED" && !isQuestionOpen(row);
}

const HEALTHY = { state: "alive", cause: "healthy" } as const;
const QUIET = { state: "alive", cause: "quiet" } as const;
const ORDINARY: TcpInfo = { state: "ESTABLISHED" };
const NOT_JUDGED = {
  flow: "idle",
  attempts: { count: 0, areLocal: false },
  isHeardWithoutProgress: false,
  isRushed: false,
} as const;

/** What a diagnosis takes from a judgement. */
interface Judged {
  readonly flow: Flow;
  readonly attempts: { readonly count: number; readonly areLocal: boolean };
  readonly isHeardWithoutProgress: boolean;
  readonly isRushed: boolean;
}

/** A first SYN may be on its way; one that had to be repeated was not answered in time. */
function connecting(row: ConnectionRow, frame: VerdictFrame): Diagnosis {
  const info = row.tcpInfo ?? ORDINARY;
  const found = tell(row, info, NOT_JUDGED, row.retransmits > 0 ? "suspect" : "alive", frame);
  const system = { ...frame.system, rtoMaxMs: frame.rtoMaxMs ?? frame.system.rtoMaxMs };
  const forMs = connectingForMs(row.retransmits, row.timerExpiresMs, system);
  const why = [...found.why, `the first SYN left ${seconds(forMs)} ago`];
  if (frame.givesUpAfterMs !== null)
    why.push(`the kernel gives up in ${seconds(Math.max(0, frame.givesUpAfterMs - forMs))}`);
  return { ...found, why };
}

function tell(
  row: ConnectionRow,
  info: TcpInfo,
  judged: Judged,
  state: State,
  frame: VerdictFrame,
): Diagnosis {
  const silentForMs = row.heardAgeMs;
  const answeredAfterMs = frame.nudged?.answeredAfterMs ?? null;
  const localPath = state === "alive" ? null : frame.examinePath(row);
  const finding = classify({
    state,
    flow: judged.flow,
    info,
    localPath,
    others: null,
    silentForMs,
    unansweredAttempts: judged.attempts.count,
    areAttemptsLocal: judged.attempts.areLocal,
    lossRatio: 0,
    isLossy: false,
    refuted: null,
    isHeardWithoutProgress: judged.isHeardWithoutProgress,
    isRushed: judged.isRushed,
    isQuestioned: frame.keepalive.enabled || frame.nudged !== null,
    processSilentForMs: null,
    pausedForMs: null,
    doubt:
      state === "alive"
        ? null
        : doubtOf(shownIn(info), { state, flow: judged.flow, attempts: judged.attempts }),
    hasRtoCap: frame.rtoMaxMs !== null,
  });
  return {
    state,
    ...finding,
    overdue: false,
    why:
      answeredAfterMs === null
        ? finding.why
        : [...finding.why, `answered a keepalive probe after ${Math.ceil(answeredAfterMs)} ms`],
    unknown: frame.unknown === null ? finding.unknown : [...finding.unknown, frame.unknown],
    silentForMs,
    since: silentForMs === null ? null : frame.wallClock - silentForMs,
    evidence: {
      // For connections in order it would only repeat the columns, 100,000 times.
      tcpInfo: finding.cause === "healthy" || finding.cause === "quiet" ? null : info,
      errorCode: null,
      localPath,
      unansweredAttempts: judged.attempts.count,
      lossRatio: 0,
      others: null,
    },
    local: row.local,
    remote: row.remote,
    label: frame.process,
  };
}

function judged(
  row: ConnectionRow,
  info: TcpInfo,
  silentForMs: number,
  frame: VerdictFrame,
): Liveness {
  const frameOptions = {
    budgetMs: frame.detectWithinMs,
    rtoMaxMs: frame.rtoMaxMs,
    mustOutlastOutages: false,
  };
  // One reading knows no span
  const options = { ...frameOptions, found: 0, answers: ORDINARY_ANSWERS };
  const isProbed = row.timer === "keepalive" && row.probes > 0;
  const heardMs = isProbed ? probedForMs(row.probes, silentForMs, frame) : silentForMs;
  const liveness = new Liveness(options, -heardMs);
  if (isQuestionOpen(row))
    liveness.observe(0, { ...info, lastAckReceivedMs: heardMs, lastDataReceivedMs: heardMs });
  return liveness;
}

/**
 * Silence counts from when it was questioned: an idle hour before the first probe proves nothing.
 * What the engine takes for routine silence before a probe is added, since it will take it off.
 */
function probedForMs(
  probes: number,
  silentForMs: number,
  { keepalive, detectWithinMs, rtoMaxMs }: VerdictFrame,
): number {
  const askedForMs = Math.max(
    0,
    Math.min(silentForMs - keepalive.idleMs, probes * keepalive.intervalMs),
  );
  const routineMs = new Liveness({ budgetMs: detectWithinMs, rtoMaxMs }, 0).plan.idleMs;
  return Math.min(silentForMs, askedForMs + routineMs);
}

/** Something that the peer should have answered by now: only then can silence mean anything. */
export function isQuestionOpen(row: ConnectionRow): boolean {
  if (!row.hasInfo) return false;
  if (row.timer === "keepalive" && row.probes > 0) return true;
  return row.unackedSegments > 0 || row.notSentBytes > 0 || row.retransmits > 0;
}

/**
 * The count of probes stays stale after keepalive was switched off, until an ACK comes (measured on
 * 6.18): then it says nothing.
 */
function evidenceOf(row: ConnectionRow): TcpInfo | null {
  const info = row.tcpInfo;
  if (!info) return null;
  return row.timer === "keepalive" || row.timer === "persist" ? info : { ...info, probes: 0 };
}

/**
 * Whether a peer answers every probe nobody knows from one reading; it may show that the last one
 * from before was answered.
 */
function shownIn(info: TcpInfo): Answers {
  const answers = new Answers();
  answers.observe(0, info, false);
  return answers;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
