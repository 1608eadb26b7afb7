import type { SystemSettings } from "../../core/forecast/prediction.ts";
import { readSysctl } from "../options/sysctl-linux.ts";

/**
 * The system-wide settings that a connection without its own obeys: those of a prediction, and two
 * for orphans. They belong to the network namespace, not to the machine.
 */
export interface SystemDefaults extends SystemSettings {
  /**
   * Timeouts before an orphan (closed by its program) is given up; 0 means 8 (tcp_timer.c,
   * tcp_orphan_retries).
   */
  readonly orphanRetries: number;
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
