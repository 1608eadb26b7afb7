/**
 * The states of RFC 9293 section 3.3.2, in Linux's spelling. TIME_WAIT and the listening states
 * never carry data of a peer.
 */
export type TcpState =
  | "ESTABLISHED"
  | "SYN_SENT"
  | "SYN_RECV"
  | "FIN_WAIT1"
  | "FIN_WAIT2"
  | "TIME_WAIT"
  | "CLOSE"
  | "CLOSE_WAIT"
  | "LAST_ACK"
  | "LISTEN"
  | "CLOSING"
  | "NEW_SYN_RECV";

/**
 * Returns whether the handshake is over. Only from then on is there a peer that was heard, is
 * silent, or is dead.
 */
export function isPastHandshake(state: TcpState): boolean {
  return (
    state !== "SYN_SENT" && state !== "LISTEN" && state !== "SYN_RECV" && state !== "NEW_SYN_RECV"
  );
}

/**
 * One reading of the kernel's facts about a connection, in the same shape on every OS. A field that
 * the OS, or its version, does not report is `undefined`: absence is never zero.
 */
export interface TcpInfo {
  readonly state: TcpState;
  /** Congestion state: 0 open, 1 disorder, 2 CWR, 3 recovery, 4 loss (Linux). */
  readonly congestionState?: number | undefined;
  /** Retransmission timeouts in a row for the data in flight now. */
  readonly retransmits?: number | undefined;
  /**
   * Unanswered keepalive or window probes in a row. Linux has one counter for both. After keepalive
   * is switched off, the counter stays stale until an ACK comes.
   */
  readonly probes?: number | undefined;
  /** Doublings of the retransmission or persist timer. */
  readonly backoff?: number | undefined;
  /**
   * Present retransmission timeout in ms. Includes the backoff while retransmitting, but not while
   * probing a closed window.
   */
  readonly rtoMs?: number | undefined;
  readonly rttMs?: number | undefined;
  readonly rttVarMs?: number | undefined;
  readonly minRttMs?: number | undefined;
  /** Largest segment this end sends, in bytes. */
  readonly sendMssBytes?: number | undefined;
  /** Segments sent and not yet acknowledged. */
  readonly unackedSegments?: number | undefined;
  /**
   * Unacknowledged segments that were sent again. 0 while {@link retransmits} is more than 0: the
   * last retransmission did not leave this host (measured on 6.18).
   */
  readonly retransmittedSegments?: number | undefined;
  /** Segments the peer acknowledged out of order. */
  readonly sackedSegments?: number | undefined;
  /** Bytes that the program has written and the kernel has not sent yet. */
  readonly notSentBytes?: number | undefined;
  /** Bytes in flight, on systems that count bytes instead of segments (Windows). */
  readonly bytesInFlight?: number | undefined;
  /** Age in ms of the last data segment sent, retransmissions included. */
  readonly lastDataSentMs?: number | undefined;
  /** Age in ms of the last new data from the peer. */
  readonly lastDataReceivedMs?: number | undefined;
  /**
   * Age in ms of the last segment with an ACK flag. A peer that cannot hear us refreshes this age
   * too.
   */
  readonly lastAckReceivedMs?: number | undefined;
  /** Retransmitted segments over the connection's life. */
  readonly totalRetransmits?: number | undefined;
  /** Bytes sent, retransmissions included. `undefined` before Linux 4.19. */
  readonly bytesSent?: number | undefined;
  readonly bytesAcked?: number | undefined;
  readonly bytesReceived?: number | undefined;
  readonly segmentsOut?: number | undefined;
  readonly segmentsIn?: number | undefined;
  readonly dataSegmentsIn?: number | undefined;
  readonly dataSegmentsOut?: number | undefined;
  /** Segments known to have arrived, including SACKed ones. */
  readonly deliveredSegments?: number | undefined;
  readonly bytesRetransmitted?: number | undefined;
  /** The window the peer offers, in bytes. `undefined` before Linux 5.4. */
  readonly sendWindowBytes?: number | undefined;
  readonly dsackDuplicates?: number | undefined;
  /**
   * Segments with data that came while others before them are missing. `undefined` before Linux
   * 5.4.
   */
  readonly outOfOrderSegmentsIn?: number | undefined;
}
