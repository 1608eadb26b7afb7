import { CALM, diagnose, type Judged, UNKNOWN_SURROUNDINGS } from "../core/cause/diagnose.ts";
import type { Cause, Diagnosis, LocalPath, State } from "../core/diagnosis.ts";
import { connectingForMs } from "../core/forecast/linux.ts";
import { Answers, ORDINARY_ANSWERS } from "../core/judge/answers.ts";
import { doubtOf } from "../core/judge/doubt.ts";
import { Liveness } from "../core/judge/liveness.ts";
import { isAnswer } from "../core/judge/probe-answered.ts";
import { isPastHandshake, type TcpInfo } from "../core/tcp-info.ts";
import type { ConnectionRow } from "../survey/connection-row.ts";
import type { Nudged } from "./nudge-round.ts";

/** The part of the frame that decides on a connection in order. */
export type OrdinaryFrame = Pick<
  VerdictFrame,
  "rtoMaxMs" | "keepalive" | "process" | "unknown" | "wallClock"
>;

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
  if (!frame.nudged && isInOrder(row)) return ordinaryDiagnosis(row, frame);
  const info = evidenceOf(row);
  if (!info) return null;
  const judged = frame.nudged?.judged ?? judgedNow(row, info, frame);
  const localPath = judged.state === "alive" ? null : frame.examinePath(row);
  return diagnosed(row, info, judged, frame, localPath);
}

/** The part of a row that shows in the diagnosis of a connection in order. */
export type OrdinaryRow = Pick<ConnectionRow, "local" | "remote" | "heardAgeMs">;

/** Returns the diagnosis of a connection that {@link isInOrder} and was not nudged. */
export function ordinaryDiagnosis(row: OrdinaryRow, frame: OrdinaryFrame): Diagnosis {
  return diagnosed(row, ORDINARY, CALM, { ...frame, nudged: null }, null);
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
/** A first SYN may be on its way; one that had to be repeated was not answered in time. */
function connecting(row: ConnectionRow, frame: VerdictFrame): Diagnosis {
  const info = row.tcpInfo ?? ORDINARY;
  const state = row.retransmits > 0 ? "suspect" : "alive";
  const localPath = state === "alive" ? null : frame.examinePath(row);
  const found = diagnosed(row, info, { ...CALM, state }, frame, localPath);
  const system = { ...frame.system, rtoMaxMs: frame.rtoMaxMs ?? frame.system.rtoMaxMs };
  const forMs = connectingForMs(row.retransmits, row.timerExpiresMs, system);
  const why = [...found.why, `the first SYN left ${seconds(forMs)} ago`];
  if (frame.givesUpAfterMs !== null)
    why.push(`the kernel gives up in ${seconds(Math.max(0, frame.givesUpAfterMs - forMs))}`);
  return { ...found, why };
}

function diagnosed(
  row: OrdinaryRow,
  info: TcpInfo,
  judged: Judged,
  frame: OrdinaryFrame & Pick<VerdictFrame, "nudged">,
  localPath: LocalPath | null,
): Diagnosis {
  const { nudged, keepalive, wallClock, process, unknown } = frame;
  const isAlive = judged.state === "alive";
  const found = diagnose(
    { ...judged, doubt: isAlive ? null : doubtOf(shownIn(info), judged) },
    {
      ...UNKNOWN_SURROUNDINGS,
      local: row.local,
      remote: row.remote,
      label: process,
      info,
      silentForMs: row.heardAgeMs,
      wallClock,
      localPath,
      isQuestioned: keepalive.enabled || nudged !== null,
      hasRtoCap: frame.rtoMaxMs !== null,
    },
  );

  const answeredAfterMs = nudged?.answeredAfterMs ?? null;
  const answered =
    answeredAfterMs === null
      ? []
      : [`answered a keepalive probe after ${Math.ceil(answeredAfterMs)} ms`];
  // For connections in order the reading would only repeat the columns, 100,000 times.
  const isOrdinary = found.cause === "healthy" || found.cause === "quiet";
  return {
    ...found,
    why: [...found.why, ...answered],
    unknown: unknown === null ? found.unknown : [...found.unknown, unknown],
    evidence: isOrdinary ? { ...found.evidence, tcpInfo: null } : found.evidence,
  };
}

/** Judges one reading, which knows no span: a verdict by it needs no outage outlasted. */
function judgedNow(row: ConnectionRow, info: TcpInfo, frame: VerdictFrame): Judged {
  if (!isQuestionOpen(row)) return CALM;
  const silentForMs = row.heardAgeMs ?? 0;
  const isProbed = row.timer === "keepalive" && row.probes > 0;
  const heardMs = isProbed ? probedForMs(row.probes, silentForMs, frame) : silentForMs;
  const liveness = new Liveness(
    {
      budgetMs: frame.detectWithinMs,
      rtoMaxMs: frame.rtoMaxMs,
      mustOutlastOutages: false,
      found: 0,
      answers: ORDINARY_ANSWERS,
    },
    -heardMs,
  );
  const ages = { lastAckReceivedMs: heardMs, lastDataReceivedMs: heardMs };
  const judgement = liveness.observe(0, { ...info, ...ages });
  const isFlimsy = judgement.flow === "idle" && !frame.isKeepaliveRead;
  const state = judgement.state === "dead" && isFlimsy ? "suspect" : judgement.state;
  return { ...judgement, state, isOverdue: false, refuted: null };
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
  answers.observe(0, info, isAnswer(info) ? -(info.lastAckReceivedMs ?? 0) : null);
  return answers;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
