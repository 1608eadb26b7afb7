import type { TcpState } from "../../core/tcp-info.ts";

/** include/net/tcp_states.h, by number. */
const STATES: readonly (TcpState | undefined)[] = [
  undefined,
  "ESTABLISHED",
  "SYN_SENT",
  "SYN_RECV",
  "FIN_WAIT1",
  "FIN_WAIT2",
  "TIME_WAIT",
  "CLOSE",
  "CLOSE_WAIT",
  "LAST_ACK",
  "LISTEN",
  "CLOSING",
  "NEW_SYN_RECV",
];

/**
 * Returns the state of a number. A number that no kernel uses so far reads as CLOSE: a connection
 * nobody may act on.
 */
export function tcpStateOf(code: number): TcpState {
  return STATES[code] ?? "CLOSE";
}

/** Returns the bit of a state in the masks of sock_diag. */
export function tcpStateBit(state: TcpState): number {
  return 1 << STATES.indexOf(state);
}
