/**
 * Returns whether nothing happened between two readings of TCP_INFO that a judge would have to
 * remember: idle both times, nothing unanswered, repeated or newly learned, and any data from the
 * peer was new. Works on the kernel's bytes, because it runs for every idle connection every few
 * seconds.
 */
export function isUneventful(
  before: DataView,
  beforeAt: number,
  now: DataView,
  length: number,
): boolean {
  if (length < NEEDED_BYTES) return false;
  if (now.getUint32(0, true) !== CALM || before.getUint32(beforeAt, true) !== CALM) return false;
  if (
    now.getUint8(BACKOFF) !== 0 ||
    now.getUint32(UNACKED, true) !== 0 ||
    now.getUint32(NOTSENT_BYTES, true) !== 0
  )
    return false;
  for (const at of UNCHANGED)
    if (now.getUint32(at, true) !== before.getUint32(beforeAt + at, true)) return false;
  // Data without new bytes: the peer repeats itself, because it does not hear our acknowledgments.
  if (now.getUint32(DATA_SEGS_IN, true) === before.getUint32(beforeAt + DATA_SEGS_IN, true))
    return true;
  return now.getUint32(BYTES_RECEIVED, true) !== before.getUint32(beforeAt + BYTES_RECEIVED, true);
}

/**
 * The result of two readings between which nothing happened that a judge would have to remember.
 */
export interface CalmReading {
  /** How long before the reading the peer was last heard, in ms. */
  readonly heardAgeMs: number;
  /**
   * Attempts to reach the peer that were answered since the reading before: segments with data; or,
   * if no such segment left, one keepalive probe, if a bare acknowledgment was heard last.
   */
  readonly answered: number;
  /** One segment came since the reading before, and it was a bare acknowledgment. */
  readonly isOneAck: boolean;
}

/** Compares two readings; returns `null` if {@link isUneventful} does not hold. */
export function compareCalm(
  before: DataView,
  beforeAt: number,
  now: DataView,
  length: number,
): CalmReading | null {
  if (!isUneventful(before, beforeAt, now, length)) return null;
  const sent = now.getUint32(DATA_SEGS_OUT, true);
  const segments = (sent - before.getUint32(beforeAt + DATA_SEGS_OUT, true)) | 0;
  const isBareAck = now.getUint32(LAST_ACK_RECV, true) < now.getUint32(LAST_DATA_RECV, true);
  const arrived = (now.getUint32(SEGS_IN, true) - before.getUint32(beforeAt + SEGS_IN, true)) | 0;
  return {
    heardAgeMs: heardAgeOf(now, 0),
    answered: segments > 0 ? segments : isBareAck ? 1 : 0,
    isOneAck: segments === 0 && isBareAck && arrived === 1,
  };
}

/**
 * Returns whether the age of what was heard last stood still, or nearly so, in the `elapsedMs`
 * between two readings, although no segment came in. Such an age is no evidence: it would make a
 * dead peer look alive for ever. Only stale bytes show it; the peer cannot.
 */
export function isAgeStill(
  before: DataView,
  beforeAt: number,
  now: DataView,
  length: number,
  elapsedMs: number,
): boolean {
  if (length < SEGS_IN + 4) return false;
  if (now.getUint32(SEGS_IN, true) !== before.getUint32(beforeAt + SEGS_IN, true)) return false;
  const grownMs = heardAgeOf(now, 0) - heardAgeOf(before, beforeAt);
  return grownMs >= 0 && grownMs < elapsedMs / 2;
}

/** Returns the age in ms of the last sign of life from the peer. */
export function heardAgeOf(info: DataView, at: number): number {
  return Math.min(
    info.getUint32(at + LAST_DATA_RECV, true),
    info.getUint32(at + LAST_ACK_RECV, true),
  );
}

/**
 * Bytes of struct tcp_info (include/uapi/linux/tcp.h) that {@link isUneventful} needs: up to
 * tcpi_snd_wnd, Linux >= 5.4.
 */
const NEEDED_BYTES = 232;
/**
 * tcpi_state, tcpi_ca_state, tcpi_retransmits and tcpi_probes as one word: established, and nothing
 * unanswered.
 */
const CALM = 0x0000_0001;
const BACKOFF = 4;
const UNACKED = 24;
const LAST_DATA_RECV = 52;
const LAST_ACK_RECV = 56;
const BYTES_RECEIVED = 128;
const SEGS_IN = 140;
const NOTSENT_BYTES = 144;
const DATA_SEGS_IN = 152;
const DATA_SEGS_OUT = 156;
/**
 * tcpi_rto, tcpi_rtt, tcpi_total_retrans, tcpi_dsack_dups: if they are the same as before, nothing
 * is to be learned of the path.
 */
const UNCHANGED = [8, 68, 100, 216] as const;
