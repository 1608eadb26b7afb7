import { readSysctl } from "../options/sysctl-linux.ts";

/**
 * The system-wide settings that a connection without its own obeys. They belong to the network
 * namespace, not to the machine.
 */
export interface SystemDefaults {
  readonly keepaliveIdleMs: number;
  readonly keepaliveIntervalMs: number;
  readonly keepaliveCount: number;
  /** Retransmission timeouts before data in flight is given up. */
  readonly retries2: number;
  readonly synRetries: number;
  /** SYN retransmissions before their spacing doubles; 0 before Linux 6.5. */
  readonly synLinearTimeouts: number;
  /**
   * Timeouts before an orphan (closed by its program) is given up; 0 means 8 (tcp_timer.c,
   * tcp_orphan_retries).
   */
  readonly orphanRetries: number;
  /** Cap on retransmission backoff; Linux >= 6.15 can change it. */
  readonly rtoMaxMs: number;
  /** How long an orphan may stay in FIN_WAIT2. */
  readonly finTimeoutMs: number;
}

/**
 * Reads the settings of this thread's network namespace. A hidden one has the kernel's own default
 * (include/net/tcp.h).
 */
export function readSystemDefaults(): SystemDefaults {
  const read = (name: string, otherwise: number): number =>
    readSysctl(`net/ipv4/${name}`) ?? otherwise;
  return {
    keepaliveIdleMs: read("tcp_keepalive_time", 7200) * 1000,
    keepaliveIntervalMs: read("tcp_keepalive_intvl", 75) * 1000,
    keepaliveCount: read("tcp_keepalive_probes", 9),
    retries2: read("tcp_retries2", 15),
    synRetries: read("tcp_syn_retries", 6),
    synLinearTimeouts: read("tcp_syn_linear_timeouts", 0),
    orphanRetries: read("tcp_orphan_retries", 0) || 8,
    rtoMaxMs: read("tcp_rto_max_ms", 120_000),
    finTimeoutMs: read("tcp_fin_timeout", 60) * 1000,
  };
}
