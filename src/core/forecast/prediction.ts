/**
 * How long after the peer is gone it is noticed, in ms: with luck, on average, at worst. `by` names
 * the timer and why it is the one.
 */
export interface DetectionTime {
  readonly bestMs: number;
  readonly typicalMs: number;
  readonly worstMs: number;
  readonly by: string;
}

export type Platform = "linux" | "darwin" | "freebsd" | "win32";

/** What given settings will do. `null` is never. Times in ms. */
export interface Prediction {
  readonly platform: Platform;
  /** Nothing is sent, nothing is unacknowledged. */
  readonly idle: DetectionTime | null;
  /** Data is unacknowledged, the peer's window is open. */
  readonly inFlight: DetectionTime | null;
  /** The peer closed its window, and then died. */
  readonly zeroWindowDead: DetectionTime | null;
  /** A live peer that does not read for long enough is given up. */
  readonly zeroWindowAliveKilled: boolean;
  /** One end has closed, the other has not. */
  readonly halfClosed: DetectionTime | null;
  /** connect() to an address that does not answer. */
  readonly connecting: DetectionTime | null;
  readonly warnings: readonly string[];
}

/**
 * The system's own settings, in force where a connection has none. Linux's names; other platforms
 * use what they have of it.
 */
export interface SystemSettings {
  readonly keepaliveIdleMs: number;
  readonly keepaliveIntervalMs: number;
  readonly keepaliveCount: number;
  /** tcp_retries2: retransmission timeouts before data in flight is given up. */
  readonly retries2: number;
  readonly synRetries: number;
  /** tcp_syn_linear_timeouts, Linux 6.5 and later: 0 before. */
  readonly synLinearTimeouts: number;
  /** The cap on backoff. */
  readonly rtoMaxMs: number;
}

export interface PredictSettings {
  /** Default `"linux"`. */
  readonly platform?: Platform;
  /**
   * Linux release, as `"5.15"` or as uname gives it; default the newest that was measured, 6.18.
   * Other platforms ignore it.
   */
  readonly kernel?: string;
  /** SO_KEEPALIVE with these timers; `true` with the system's; default off. */
  readonly keepalive?:
    | { readonly idleMs: number; readonly intervalMs: number; readonly count: number }
    | boolean;
  /** TCP_USER_TIMEOUT and its like; 0 or absent: none. */
  readonly userTimeoutMs?: number;
  /** TCP_RTO_MAX_MS of the connection, Linux 6.15 and later. */
  readonly rtoMaxMs?: number;
  /** A ping every `intervalMs`; the peer is given up when one stays unanswered for `timeoutMs`. */
  readonly heartbeat?: { readonly intervalMs: number; readonly timeoutMs: number };
  /** Round-trip time; default 1. */
  readonly rttMs?: number;
  /** Mean deviation of the round-trip time; default 0. */
  readonly jitterMs?: number;
  readonly system?: Partial<SystemSettings>;
}

/** The settings with every gap filled. */
export interface Timers {
  readonly keepalive: {
    readonly idleMs: number;
    readonly intervalMs: number;
    readonly count: number;
  } | null;
  readonly userTimeoutMs: number;
  readonly rttMs: number;
  /** The first retransmission timeout. */
  readonly rtoMs: number;
  readonly rtoMaxMs: number;
  /** The user timeout counts behind a closed window too. */
  readonly limitsClosedWindow: boolean;
  readonly system: SystemSettings;
}
