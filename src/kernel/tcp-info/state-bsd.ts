import type { TcpState } from "../../core/tcp-info.ts";

/** netinet/tcp_fsm.h of macOS and FreeBSD, by number. */
const STATES: readonly TcpState[] = [
  "CLOSE",
  "LISTEN",
  "SYN_SENT",
  "SYN_RECV",
  "ESTABLISHED",
  "CLOSE_WAIT",
  "FIN_WAIT1",
  "CLOSING",
  "LAST_ACK",
  "FIN_WAIT2",
  "TIME_WAIT",
];

export function tcpStateOfBsd(code: number): TcpState {
  return STATES[code] ?? "CLOSE";
}
