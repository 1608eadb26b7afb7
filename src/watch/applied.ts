/**
 * What a watch really got: the mechanisms at work and the detection times they can keep. All in ms;
 * `null` = never or not available.
 */
export interface Applied {
  /**
   * `"kernel"`: evidence from the kernel (Linux). `"keepalive"`: the OS's keepalive, set exactly,
   * and heartbeats (Windows, macOS, FreeBSD). `"core"`: no native back-end, only what Node itself
   * can set.
   */
  readonly level: "kernel" | "keepalive" | "core";
  readonly keepalive: {
    readonly idleMs: number;
    readonly intervalMs: number;
    readonly count: number;
  } | null;
  /**
   * Set only while data is in flight behind an open window; 0 where TCP_RTO_MAX_MS makes it
   * needless.
   */
  readonly userTimeoutMs: number | null;
  readonly rtoMaxMs: number | null;
  /**
   * Within what time a dead peer is found, by what the connection is doing when it goes: the
   * budget, or longer where the attempts that prove death, at the loss the path is believed to
   * have, do not fit into it.
   */
  readonly detectWithinMs: {
    readonly idle: number | null;
    readonly inFlight: number | null;
    readonly closedWindow: number | null;
  };
  /**
   * One of these is longer than the budget that was asked for. Changes with what is learned of the
   * path.
   */
  readonly overdue: boolean;
  /** Accepted false alarms, a connection and year; `null` where the OS's keepalive decides. */
  readonly falseAlarmsPerYear: number | null;
  /** When the kernel ends a dead connection by itself if this process cannot act. */
  readonly backstopMs: { readonly idle: number | null; readonly inFlight: number | null };
  /** What was asked for and could not be had, and why. */
  readonly notes: readonly string[];
}

/** What a connection has where the kernel gives no evidence to judge. */
export interface LowerLevel {
  readonly applied: Applied;
  /** Leaves the socket as it was, as far as the system told how it was. */
  restore(): void;
}
