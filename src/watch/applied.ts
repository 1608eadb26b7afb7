/**
 * The mechanisms that a watch really has, and the detection times that they keep. All in ms;
 * `null`: never, or not available.
 */
export interface Applied {
  /**
   * `"kernel"`: evidence from the kernel (Linux). `"keepalive"`: the OS's keepalive, set exactly,
   * and heartbeats (Windows, macOS, FreeBSD, gVisor). `"core"`: no native back-end, only what Node
   * itself can set. `"heartbeat"`: a stream that is no TCP socket, where the heartbeat decides
   * alone.
   */
  readonly level: "kernel" | "keepalive" | "core" | "heartbeat";
  /** `null` below the level `"kernel"` with `onDead: "report"`: it would end the connection. */
  readonly keepalive: {
    readonly idleMs: number;
    readonly intervalMs: number;
    readonly count: number;
  } | null;
  /**
   * Set only while data is in flight behind an open window, and while the connection is idle if the
   * kernel would else give up data in flight within the budget; 0 if it is needless.
   */
  readonly userTimeoutMs: number | null;
  readonly rtoMaxMs: number | null;
  /**
   * Time until a dead peer is found, by the connection's state when the peer dies. The budget, or
   * longer if the attempts that prove death do not fit into it at the loss believed of the path.
   */
  readonly detectWithinMs: {
    readonly idle: number | null;
    readonly inFlight: number | null;
    readonly closedWindow: number | null;
  };
  /**
   * The longest outage that does not end the connection. `null` if no outage does: nothing but a
   * heartbeat, or the system's own patience, ends it.
   */
  readonly surviveOutageMs: number | null;
  /** True if one of these times is longer than the budget. Changes as more is known of the path. */
  readonly overdue: boolean;
  /** Accepted false alarms for each connection and year; `null` if the OS's keepalive decides. */
  readonly falseAlarmsPerYear: number | null;
  /** Time until the kernel itself ends a dead connection if this process cannot act. */
  readonly backstopMs: { readonly idle: number | null; readonly inFlight: number | null };
  /** Settings that could not be applied as requested, each with the reason. */
  readonly notes: readonly string[];
}

/** Stands in for the host check where the kernel gives no evidence. */
export interface LowerLevel {
  readonly applied: Applied;
  /** Restores the options of the socket, as far as the system let them be read before. */
  restore(): void;
}

/** Said while a peer's silence proves nothing. */
export const MUTE =
  "the peer has answered no heartbeat on this connection, so only its host is judged until it does";
