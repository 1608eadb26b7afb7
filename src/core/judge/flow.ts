import { isPastHandshake, type TcpInfo } from "../tcp-info.ts";

/**
 * What the connection is doing, which decides what refutes silence: `idle` any answer; `in-flight`
 * only progress of our data; `blocked` (closed window) any answer, since a live peer may rightly
 * keep its window closed for ever.
 */
export type Flow = "idle" | "in-flight" | "blocked";

/**
 * The kernel's clock ticks at 4 or 10 ms, so the age of the same ACK wobbles by as much between two
 * readings.
 */
export const HEARD_SLACK_MS = 15;

export function flowOf(info: TcpInfo): Flow {
  const unacked = info.unackedSegments ?? info.bytesInFlight ?? 0;
  // Before Linux 4.6 unsent data is not told; backoff with nothing in flight means that window
  // probes are going out.
  const isWaiting =
    info.notSentBytes === undefined ? (info.backoff ?? 0) > 0 : info.notSentBytes > 0;
  if (unacked === 0 && !isWaiting) return "idle";
  return isWindowClosed(info, unacked) ? "blocked" : "in-flight";
}

/**
 * Unsent data, nothing in flight, an open window: nothing leaves this host
 * (docs/internals/evidence.md#nothing-leaves-this-host).
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
 * A full queue of this host refused the last retransmission. The kernel counts the timeout all the
 * same, but neither doubles it nor counts a segment as sent again (tcp_retransmit_timer; measured
 * on 6.18). A missing route or neighbour is another matter: those it doubles.
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
  // Before Linux 5.4 the window is not told; unsent data with nothing in flight then means the
  // persist timer runs.
  if (info.sendWindowBytes === undefined) return unacked === 0;
  // Below one segment the sender avoids silly windows (RFC 9293, 3.8.6.2.1) and probes as if it
  // were closed. With data in flight a closed window means the receiver shrank it; the kernel then
  // treats retransmissions as window probes.
  if (unacked > 0) return info.sendWindowBytes === 0;
  return info.sendWindowBytes < (info.sendMssBytes ?? 1);
}

/**
 * Counts what the peer is known to have received; any change is progress. `undefined` where the OS
 * tells neither.
 */
export function progressMark(info: TcpInfo): number | undefined {
  // deliveredSegments also moves when only SACKs arrive, which bytesAcked misses on a lossy path.
  if (info.deliveredSegments !== undefined) return info.deliveredSegments;
  return info.bytesAcked;
}

/**
 * Age in ms of the last thing heard from the peer, data or ACK; `undefined` where the OS does not
 * tell, and before the handshake is over: there the kernel's ages count from when the machine was
 * started.
 */
export function heardAgeMs(info: TcpInfo): number | undefined {
  if (!isPastHandshake(info.state)) return undefined;
  if (info.lastAckReceivedMs === undefined) return info.lastDataReceivedMs;
  if (info.lastDataReceivedMs === undefined) return info.lastAckReceivedMs;
  return Math.min(info.lastAckReceivedMs, info.lastDataReceivedMs);
}
