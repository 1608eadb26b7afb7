import type { TcpState } from "./tcp-info.ts";

/** What decides when the kernel of this end gives a silent peer up. Linux rules (net/ipv4/tcp_timer.c), all measured on 6.18. */
export interface NoticeSettings {
  readonly state: TcpState;
  readonly keepalive: { readonly enabled: boolean; readonly idleMs: number; readonly intervalMs: number; readonly count: number };
  /** 0 = none. */
  readonly userTimeoutMs: number;
  /** Cap on retransmission backoff. */
  readonly rtoMaxMs: number;
  readonly retries2: number;
  readonly synRetries: number;
  /** SYN retransmissions before their spacing doubles (Linux >= 6.5; 0 before). */
  readonly synLinearTimeouts: number;
  /** Closed by its program: the kernel alone looks after it. */
  readonly isOrphan: boolean;
  readonly orphanRetries: number;
  readonly finTimeoutMs: number;
  readonly rttMs: number;
  /** The retransmission timeout without backoff. */
  readonly rtoMs: number;
}

/** From the peer's end to the error at this end; `null` = never. */
export interface NoticeTimes {
  /** Nothing is sent: counted from the last segment of the peer. */
  readonly idleMs: number | null;
  /** Data is sent that nobody acknowledges: counted from its sending. */
  readonly inFlightMs: number | null;
}

/** tcp_timer.c models its patience with this timeout, whatever the connection's own. */
const MODEL_RTO_MS = 200;
const TAIL_LOSS_SLACK_MS = 200;
const FIRST_SYN_MS = 1000;
const NEVER: NoticeTimes = { idleMs: null, inFlightMs: null };

/** Foretells when a peer that vanishes without a word would be noticed. */
export function noticeTimes(settings: NoticeSettings): NoticeTimes {
  switch (settings.state) {
    case "ESTABLISHED":
    case "CLOSE_WAIT":
      return { idleMs: idleNoticeMs(settings), inFlightMs: inFlightNoticeMs(settings, settings.retries2) };
    case "FIN_WAIT2": {
      // Nothing more can be sent. An orphan is timed by tcp_fin_timeout, one that a program holds only by its keepalive.
      const idleMs = settings.isOrphan ? settings.finTimeoutMs : idleNoticeMs(settings);
      return { idleMs, inFlightMs: idleMs };
    }
    case "FIN_WAIT1":
    case "CLOSING":
    case "LAST_ACK":
      return always(inFlightNoticeMs(settings, settings.isOrphan ? settings.orphanRetries : settings.retries2));
    case "SYN_SENT":
    case "SYN_RECV":
      return always(connectNoticeMs(settings));
    default:
      return NEVER;
  }
}

/** Something is in flight in this state as long as it lasts. */
function always(ms: number): NoticeTimes {
  return { idleMs: ms, inFlightMs: ms };
}

/** With a user timeout the count is ignored: the first probe tick at or beyond it ends the connection. Without keepalive nothing ever asks. */
function idleNoticeMs({ keepalive, userTimeoutMs }: NoticeSettings): number | null {
  if (!keepalive.enabled) return null;
  const { idleMs, intervalMs, count } = keepalive;
  if (userTimeoutMs === 0) return idleMs + count * intervalMs;
  return idleMs + Math.max(1, Math.ceil((userTimeoutMs - idleMs) / intervalMs)) * intervalMs;
}

/** Keepalive does not run while data is unacknowledged: the first retransmission starts the clock, at the loss probe plus one timeout. */
function inFlightNoticeMs({ userTimeoutMs, rtoMaxMs, rttMs, rtoMs }: NoticeSettings, retries: number): number {
  const firstRetransmitMs = Math.min(2 * rttMs + TAIL_LOSS_SLACK_MS, rtoMs) + rtoMs;
  if (userTimeoutMs > 0) return Math.round(firstRetransmitMs + userTimeoutMs);
  let patienceMs = 0;
  for (let i = 0, gapMs = MODEL_RTO_MS; i <= retries; i++, gapMs *= 2) patienceMs += Math.min(gapMs, rtoMaxMs);
  let sinceFirstMs = 0;
  for (let gapMs = 2 * rtoMs; sinceFirstMs < patienceMs; gapMs *= 2) sinceFirstMs += Math.min(gapMs, rtoMaxMs);
  return Math.round(firstRetransmitMs + sinceFirstMs);
}

/** Linear timeouts first, then doubling; 131 s with the defaults (Documentation/networking/ip-sysctl.rst, tcp_syn_retries). */
function connectNoticeMs({ userTimeoutMs, synRetries, synLinearTimeouts }: NoticeSettings): number {
  if (userTimeoutMs > 0) return Math.max(FIRST_SYN_MS, userTimeoutMs);
  return FIRST_SYN_MS * (synLinearTimeouts + 2 ** (synRetries + 1) - 1);
}
