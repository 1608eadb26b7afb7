import type { Diagnosis } from "../core/diagnosis.ts";
import type { NoticeTimes } from "../core/forecast/notice.ts";
import type { TcpState } from "../core/tcp-info.ts";
import type { SettingsSource } from "./effective-options.ts";

/**
 * One connection in outline, as a table shows it. Plain data; times in ms, `null` = never or
 * unknown.
 */
export interface ConnectionOutline {
  readonly local: string;
  readonly remote: string;
  readonly state: TcpState;
  readonly pid: number | null;
  readonly process: string | null;
  /** The control group of the process: with containers, the container. */
  readonly cgroup: string | null;
  readonly userId: number;
  /** The network namespace of the connection; `null` = ours. */
  readonly namespace: string | null;
  readonly settingsFrom: SettingsSource;
  readonly lastHeardMs: number | null;
  /** Segments that the peer has not acknowledged. */
  readonly unacked: number;
  readonly noticeMs: NoticeTimes;
  readonly diagnosis: BriefDiagnosis | null;
}

/** A diagnosis without its evidence. */
export type BriefDiagnosis = Pick<Diagnosis, "state" | "cause">;

/** One connection with everything that an audit reports about it. */
export interface AuditedConnection extends ConnectionOutline {
  readonly fd: number | null;
  readonly keepalive: {
    readonly enabled: boolean;
    readonly idleMs: number;
    readonly intervalMs: number;
    readonly count: number;
  } | null;
  readonly userTimeoutMs: number | null;
  readonly sendQueueBytes: number;
  readonly diagnosis: Diagnosis | null;
}

/** Counts of an audit's connections, by what is wrong with them. */
export interface AuditSummary {
  readonly connections: number;
  /** Connections that, while idle, would never notice that their peer vanished. */
  readonly neverNotice: number;
  readonly dead: number;
  readonly suspect: number;
  /** Connections left in CLOSE_WAIT or FIN_WAIT2 that no program closes. */
  readonly neverClosed: number;
  /** Connections whose settings could not be read. */
  readonly assumed: number;
}
