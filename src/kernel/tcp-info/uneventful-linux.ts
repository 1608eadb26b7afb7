/**
 * Bytes of struct tcp_info (include/uapi/linux/tcp.h) that {@link isUneventful} looks at: up to
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
const NOTSENT_BYTES = 144;
const DATA_SEGS_IN = 152;
const DATA_SEGS_OUT = 156;
/**
 * tcpi_rto, tcpi_rtt, tcpi_total_retrans, tcpi_dsack_dups: the same as before, nothing is to be
 * learned of the path.
 */
const UNCHANGED = [8, 68, 100, 216] as const;

/**
 * Whether between two readings of TCP_INFO nothing came about that a judge would have to remember:
 * idle both times, nothing unanswered, repeated or newly learned, and if the peer sent data, new
 * data. Works on the kernel's bytes, since it is asked of every idle connection every few seconds.
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
  // Data that brings nothing new is a peer repeating itself: it does not hear our acknowledgments.
  if (now.getUint32(DATA_SEGS_IN, true) === before.getUint32(beforeAt + DATA_SEGS_IN, true))
    return true;
  return now.getUint32(BYTES_RECEIVED, true) !== before.getUint32(beforeAt + BYTES_RECEIVED, true);
}

/** What two readings tell between which nothing happened that a judge would have to remember. */
export interface CalmReading {
  /** How long before the reading the peer was last heard, in ms. */
  readonly heardAgeMs: number;
  /**
   * How many attempts to reach the peer were answered since the reading before: segments with data,
   * or where none left, one keepalive probe, if what was heard last is a bare acknowledgment.
   */
  readonly answered: number;
}

/** Returns `null` where {@link isUneventful} does not hold. */
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
  return {
    heardAgeMs: heardAgeOf(now, 0),
    answered: segments > 0 ? segments : isBareAck ? 1 : 0,
  };
}

/** Age in ms of the last thing heard from the peer. */
export function heardAgeOf(info: DataView, at: number): number {
  return Math.min(
    info.getUint32(at + LAST_DATA_RECV, true),
    info.getUint32(at + LAST_ACK_RECV, true),
  );
}
