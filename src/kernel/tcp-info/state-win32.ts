import type { TcpState } from "../../core/tcp-info.ts";

/** TCPSTATE of mstcpip.h, by number. The states of the BSDs differ: see state-bsd.ts. */
const STATES: readonly TcpState[] = [
  "CLOSE",
  "LISTEN",
  "SYN_SENT",
  "SYN_RECV",
  "ESTABLISHED",
  "FIN_WAIT1",
  "FIN_WAIT2",
  "CLOSE_WAIT",
  "CLOSING",
  "LAST_ACK",
  "TIME_WAIT",
];

export function tcpStateOfWin32(code: number): TcpState {
  return STATES[code] ?? "CLOSE";
}
