import type { TcpInfo } from "../tcp-info.ts";
import type { Instant } from "../time/instant.ts";
import { HEARD_SLACK_MS } from "./lateness.ts";

/**
 * Returns when a probe was answered between two readings; `null`: nothing shows that one was.
 *
 * Data that the peer repeats moves the age of the last ACK too, and answers nothing. So more
 * segments without data must have come than may acknowledge data of ours.
 */
export function probeAnsweredAt(
  before: { readonly at: Instant; readonly info: TcpInfo },
  at: Instant,
  info: TcpInfo,
): Instant | null {
  const heardAt = at - (info.lastAckReceivedMs ?? Number.POSITIVE_INFINITY);
  const heardBefore = before.at - (before.info.lastAckReceivedMs ?? Number.POSITIVE_INFINITY);
  if (heardAt <= heardBefore + HEARD_SLACK_MS || !isAnswer(info)) return null;
  return hasAnswered(before.info, info, answersBetween(before.info, info)) ? heardAt : null;
}

/**
 * Returns whether one was, by the counts of segments alone: later data hides when it was.
 * `answers`: see {@link answersBetween}.
 */
export function hasAnswered(before: TcpInfo, now: TcpInfo, answers: number): boolean {
  return now.sendWindowBytes === before.sendWindowBytes && answers > 0;
}

/** Before Linux 4.6 nothing counts segments: then what acknowledges no data is one. */
export function answersBetween(before: TcpInfo, now: TcpInfo): number {
  const more = (of: (info: TcpInfo) => number | undefined): number =>
    (of(now) ?? 0) - (of(before) ?? 0);
  const acknowledging = Math.max(
    more(progressMark),
    more((info) => info.dataSegmentsOut),
  );
  if (now.segmentsIn === undefined || now.dataSegmentsIn === undefined)
    return acknowledging === 0 ? 1 : 0;
  const bare = more((info) => info.segmentsIn) - more((info) => info.dataSegmentsIn);
  return bare - acknowledging;
}

/**
 * Returns whether what was heard last answers a probe: it is no data, and it came too late to
 * acknowledge data of ours.
 */
export function isAnswer({
  lastAckReceivedMs,
  lastDataReceivedMs,
  lastDataSentMs,
  rttMs = 0,
}: TcpInfo): boolean {
  if (
    lastAckReceivedMs === undefined ||
    lastDataReceivedMs === undefined ||
    lastDataSentMs === undefined
  )
    return false;
  if (lastDataReceivedMs <= lastAckReceivedMs + HEARD_SLACK_MS) return false;
  return lastDataSentMs > lastAckReceivedMs + rttMs + LATEST_ACK_MS;
}

/**
 * Returns how much the peer is known to have received; any change is progress. `undefined` where
 * the OS reports neither number.
 */
export function progressMark(info: TcpInfo): number | undefined {
  // deliveredSegments also moves when only SACKs arrive, which bytesAcked misses on a lossy path.
  return info.deliveredSegments ?? info.bytesAcked;
}

/**
 * RFC 1122, 4.2.3.2: an acknowledgment of data is delayed by less than this. A later one
 * acknowledges no data.
 */
const LATEST_ACK_MS = 500;
