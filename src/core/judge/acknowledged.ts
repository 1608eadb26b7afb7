import type { TcpInfo } from "../tcp-info.ts";

/**
 * Returns whether the peer acknowledged every byte that was written; `false` where the OS does not
 * count them. Holds after a reset too, which empties the queues and leaves the totals (tcp_reset).
 *
 * Linux counts our SYN or our FIN as an acknowledged byte. Without either (we accepted the
 * connection, and the FIN is unanswered), one byte more would be needed to be sure.
 */
export function isAllAcknowledged(info: TcpInfo): boolean {
  const { bytesSent, bytesRetransmitted, bytesAcked, notSentBytes } = info;
  if (bytesSent === undefined || bytesRetransmitted === undefined || bytesAcked === undefined)
    return false;
  return notSentBytes === 0 && bytesAcked > bytesSent - bytesRetransmitted;
}
