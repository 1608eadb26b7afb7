/** What a watch really got: the mechanisms at work and the detection times they can keep. All in ms; `null` = never or not available. */
export interface Applied {
  /**
   * `"kernel"`: evidence from the kernel (Linux). `"keepalive"`: the OS's keepalive, set exactly, and heartbeats (Windows, macOS,
   * FreeBSD). `"core"`: no native back-end, only what Node itself can set.
   */
  readonly level: "kernel" | "keepalive" | "core";
  readonly keepalive: { readonly idleMs: number; readonly intervalMs: number; readonly count: number } | null;
  /** Set only while data is in flight behind an open window; 0 where TCP_RTO_MAX_MS makes it needless. */
  readonly userTimeoutMs: number | null;
  readonly rtoMaxMs: number | null;
  /** The budget that is kept, by what the connection is doing when the peer goes. */
  readonly detectWithinMs: { readonly idle: number | null; readonly inFlight: number | null; readonly closedWindow: number | null };
  /** When the kernel ends a dead connection by itself if this process cannot act. */
  readonly backstopMs: { readonly idle: number | null; readonly inFlight: number | null };
  /** What was asked for and could not be had, and why. */
  readonly notes: readonly string[];
}
