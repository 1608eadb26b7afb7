import { isPastHandshake, type TcpInfo } from "../tcp-info.ts";
import type { Instant } from "../time/instant.ts";
import { answersBetween, hasAnswered, probeAnsweredAt, progressMark } from "./probe-answered.ts";
import { SMALLEST_RTO_MS } from "./retransmission-times.ts";

/**
 * One reading of the kernel's evidence: TCP_INFO, decoded once, and what changed since the reading
 * before. Every part of the judge takes its changes from here; none keeps an earlier TCP_INFO.
 */
export interface Reading extends Snapshot {
  readonly since: Changes;
}

/** As much of a reading as the next one is compared with. */
export interface Snapshot {
  readonly at: Instant;
  readonly info: TcpInfo;
  readonly flow: Flow;
}

/**
 * What the connection is doing, which decides what refutes silence: `idle` any answer; `in-flight`
 * only progress of our data; `blocked` (closed window) any answer, since a live peer may rightly
 * keep its window closed for ever.
 */
export type Flow = "idle" | "in-flight" | "blocked";

/** What changed between two readings. */
export interface Changes {
  /** No reading came before. Counters are then compared with zero. */
  readonly isFirst: boolean;
  /** The instant of the reading before; for the first one, when the judge began. */
  readonly at: Instant;
  /** The flow of the reading before; `idle` for the first one. */
  readonly flowBefore: Flow;
  /** Data entered flight. */
  readonly takesOff: boolean;
  /** The peer received more of what we sent. */
  readonly progressed: boolean;
  /** See {@link probeAnsweredAt}. */
  readonly answeredAt: Instant | null;
  /** Segments without data that came, beyond those that may acknowledge data of ours. */
  readonly answers: number;
  /** See {@link hasAnswered}. */
  readonly hasAnswered: boolean;
  /**
   * Segments in which the peer only repeated what we had acknowledged. A peer that repeats itself
   * did not hear our acknowledgments, although each repetition refreshes the age of its last ACK.
   */
  readonly repetitions: number;
  /** Segments that came; 0 where the OS does not count them. */
  readonly segmentsIn: number;
  /** Segments that left; infinite where the OS does not count them: any number may have. */
  readonly segmentsOut: number;
  /** How many more probes stay unanswered. */
  readonly probes: number;
  /** How many more timeouts in a row; all of them when the series began anew. */
  readonly timeouts: number;
  /** The series of timeouts in a row began anew. */
  readonly isNewSeries: boolean;
  /** How often the kernel doubled its timeout; below 0 where it began anew. */
  readonly doublings: number;
  /** Totals of the reading before: data segments sent, and retransmissions among them. */
  readonly segmentsBefore: number;
  readonly retransmissionsBefore: number;
}

/** Returns the reading of `info` at `at`. `before`: the last one, or when the judge began. */
export function readingOf(at: Instant, info: TcpInfo, before: Snapshot | Instant): Reading {
  const flow = flowOf(info);
  return { at, info, flow, since: changesFrom(before, at, info, flow) };
}

function changesFrom(before: Snapshot | Instant, at: Instant, info: TcpInfo, flow: Flow): Changes {
  const isFirst = typeof before === "number";
  const was = isFirst ? null : before.info;
  const flowBefore = isFirst ? "idle" : before.flow;
  const answeredAt = isFirst ? null : probeAnsweredAt(before, at, info);
  const answers = was === null ? 0 : Math.max(0, answersBetween(was, info));
  const { retransmits = 0 } = info;
  const timeoutsBefore = was?.retransmits ?? 0;
  const isNewSeries = retransmits < timeoutsBefore;

  return {
    isFirst,
    at: isFirst ? before : before.at,
    flowBefore,
    takesOff: flow === "in-flight" && flowBefore !== "in-flight",
    progressed: was !== null && progressMark(info) !== progressMark(was),
    answeredAt,
    answers,
    hasAnswered:
      answeredAt !== null ||
      (was !== null && info.segmentsIn !== undefined && hasAnswered(was, info, answers)),
    repetitions: isFirst ? 0 : repetitionsBetween(before.info, info, at - before.at),
    segmentsIn: (info.segmentsIn ?? 0) - (was?.segmentsIn ?? 0),
    segmentsOut: (info.segmentsOut ?? Number.POSITIVE_INFINITY) - (was?.segmentsOut ?? 0),
    probes: Math.max(0, (info.probes ?? 0) - (was?.probes ?? 0)),
    timeouts: isNewSeries ? retransmits : retransmits - timeoutsBefore,
    isNewSeries,
    doublings: (info.backoff ?? 0) - (isNewSeries ? 0 : (was?.backoff ?? 0)),
    segmentsBefore: was?.dataSegmentsOut ?? 0,
    retransmissionsBefore: was?.totalRetransmits ?? 0,
  };
}

/**
 * 0 when anything else came with the repetitions, or the kernel does not count (Linux < 4.6). A
 * peer that does not hear us doubles the time between them (RFC 6298, 5.5). One that repeats more
 * does hear us: it took late acknowledgments for lost segments.
 */
function repetitionsBetween(before: TcpInfo, now: TcpInfo, elapsedMs: number): number {
  const segments = (now.segmentsIn ?? 0) - (before.segmentsIn ?? 0);
  const data = (now.dataSegmentsIn ?? 0) - (before.dataSegmentsIn ?? 0);
  const isNew = (now.bytesReceived ?? 0) !== (before.bytesReceived ?? 0);
  const isBackingOff = data <= 2 + Math.ceil(Math.log2(1 + elapsedMs / SMALLEST_RTO_MS));
  return data > 0 && data === segments && !isNew && isBackingOff ? data : 0;
}

/** Returns what the connection is doing, as far as one TCP_INFO shows. */
export function flowOf(info: TcpInfo): Flow {
  const unacked = info.unackedSegments ?? info.bytesInFlight ?? 0;
  // Linux before 4.6 does not report unsent data. Backoff with nothing in flight then means that
  // window probes are going out.
  const isWaiting =
    info.notSentBytes === undefined ? (info.backoff ?? 0) > 0 : info.notSentBytes > 0;
  if (unacked === 0 && !isWaiting) return "idle";
  return isWindowClosed(info, unacked) ? "blocked" : "in-flight";
}

/**
 * Returns whether nothing leaves this host: data is unsent, nothing is in flight, the window is
 * open (docs/internals/evidence.md#nothing-leaves-this-host).
 */
export function isStuckLocally(info: TcpInfo): boolean {
  const unacked = info.unackedSegments ?? 0;
  return (
    unacked === 0 &&
    (info.notSentBytes ?? 0) > 0 &&
    info.sendWindowBytes !== undefined &&
    !isWindowClosed(info, unacked)
  );
}

/**
 * Returns whether a full queue of this host refused the last retransmission. The kernel counts the
 * timeout all the same, but neither doubles it nor counts a segment as sent again
 * (tcp_retransmit_timer; measured on 6.18). After a failure for want of a route or neighbour the
 * kernel does double it.
 */
export function isRetransmissionRefused({
  retransmits = 0,
  backoff = 0,
  unackedSegments = 0,
  retransmittedSegments,
}: TcpInfo): boolean {
  return retransmits > backoff && unackedSegments > 0 && retransmittedSegments === 0;
}

function isWindowClosed(info: TcpInfo, unacked: number): boolean {
  // Linux before 5.4 does not report the window. Unsent data with nothing in flight then means that
  // the persist timer runs.
  if (info.sendWindowBytes === undefined) return unacked === 0;
  // Below one segment the sender avoids silly windows (RFC 9293, 3.8.6.2.1) and probes as if it
  // were closed. With data in flight a closed window means the receiver shrank it; the kernel then
  // treats retransmissions as window probes.
  if (unacked > 0) return info.sendWindowBytes === 0;
  return info.sendWindowBytes < (info.sendMssBytes ?? 1);
}

/**
 * Returns the age in ms of the last thing heard from the peer, data or ACK. `undefined` where the
 * OS does not report it, and before the handshake is over: until then the kernel's ages count from
 * the start of the machine.
 */
export function heardAgeMs(info: TcpInfo): number | undefined {
  if (!isPastHandshake(info.state)) return undefined;
  if (info.lastAckReceivedMs === undefined) return info.lastDataReceivedMs;
  if (info.lastDataReceivedMs === undefined) return info.lastAckReceivedMs;
  return Math.min(info.lastAckReceivedMs, info.lastDataReceivedMs);
}
