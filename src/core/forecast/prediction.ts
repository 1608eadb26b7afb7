/**
 * The time in ms from the peer's end until this end notices: with luck, on average, at worst. `by`
 * names the timer that decides, and why.
 */
export interface DetectionTime {
  readonly bestMs: number;
  readonly typicalMs: number;
  readonly worstMs: number;
  readonly by: string;
}

export type Platform = "linux" | "darwin" | "freebsd" | "win32";

/** The effects of given settings. `null` is never. Times in ms. */
export interface Prediction {
  readonly platform: Platform;
  /** Nothing is sent, nothing is unacknowledged. */
  readonly idle: DetectionTime | null;
  /** Data is unacknowledged, the peer's window is open. */
  readonly inFlight: DetectionTime | null;
  /** The peer closed its window, and then died. */
  readonly zeroWindowDead: DetectionTime | null;
  /** True when a live peer that does not read for long enough is given up. */
  readonly zeroWindowAliveKilled: boolean;
  /** One end has closed, the other has not. */
  readonly halfClosed: DetectionTime | null;
  /** connect() to an address that does not answer. */
  readonly connecting: DetectionTime | null;
  /** The longest outage that ends no connection to a live peer; `null` where it is not known. */
  readonly survivesOutage: SurvivedOutages | null;
  readonly warnings: readonly string[];
}

/** The longest outages that end no connection, in ms; `null`: none does. */
export interface SurvivedOutages {
  readonly idleMs: number | null;
  readonly inFlightMs: number | null;
}

/**
 * The system's own settings, in force for a connection without settings of its own. Names are
 * Linux's; other platforms use the settings that they have.
 */
export interface SystemSettings {
  readonly keepaliveIdleMs: number;
  readonly keepaliveIntervalMs: number;
  readonly keepaliveCount: number;
  /** tcp_retries2: retransmission timeouts before data in flight is given up. */
  readonly retries2: number;
  readonly synRetries: number;
  /** tcp_syn_linear_timeouts: SYN retransmissions before their gaps double; 0 before Linux 6.5. */
  readonly synLinearTimeouts: number;
  /** Cap on retransmission backoff; from Linux 6.15 on it can be set. */
  readonly rtoMaxMs: number;
}

export interface PredictSettings {
  /** Default `"linux"`. */
  readonly platform?: Platform;
  /**
   * Linux release, as `"5.15"` or as uname reports it; default the newest measured one, 6.18. Other
   * platforms ignore this setting.
   */
  readonly kernel?: string;
  /** SO_KEEPALIVE with these timers, or with the system's (`true`); default off. */
  readonly keepalive?:
    | { readonly idleMs: number; readonly intervalMs: number; readonly count: number }
    | boolean;
  /** TCP_USER_TIMEOUT or its equivalent; 0 or absent: none. */
  readonly userTimeoutMs?: number;
  /** TCP_RTO_MAX_MS of the connection, Linux 6.15 and later. */
  readonly rtoMaxMs?: number;
  /** A ping every `intervalMs`. A ping unanswered for `timeoutMs` gives the peer up. */
  readonly heartbeat?: { readonly intervalMs: number; readonly timeoutMs: number };
  /** Round-trip time in ms; default 1. */
  readonly rttMs?: number;
  /** Mean deviation of the round-trip time in ms; default 0. */
  readonly jitterMs?: number;
  readonly system?: Partial<SystemSettings>;
}

/** The settings with all defaults filled in. */
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
