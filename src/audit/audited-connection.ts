import type { Diagnosis } from "../core/diagnosis.ts";
import type { NoticeTimes } from "../core/forecast/notice.ts";
import type { TcpState } from "../core/tcp-info.ts";
import type { SettingsSource } from "./effective-options.ts";

export type Verdict = Pick<Diagnosis, "state" | "cause">;

/** What a table tells of a connection. Plain data; times in ms, `null` = never or unknown. */
export interface ConnectionOutline {
  readonly local: string;
  readonly remote: string;
  readonly state: TcpState;
  readonly pid: number | null;
  readonly process: string | null;
  readonly userId: number;
  /** The network namespace it lives in; `null` = ours. */
  readonly namespace: string | null;
  readonly settingsFrom: SettingsSource;
  readonly lastHeardMs: number | null;
  /** Segments that the peer has not acknowledged. */
  readonly unacked: number;
  readonly noticeMs: NoticeTimes;
  readonly diagnosis: Verdict | null;
}

/** One connection as an audit tells of it. */
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

/** Which of an audit's connections deserve what. */
export interface AuditSummary {
  readonly connections: number;
  /** Idle, their peer could vanish and nobody here would ever learn. */
  readonly neverNotice: number;
  readonly dead: number;
  readonly suspect: number;
  /** CLOSE_WAIT or FIN_WAIT2 that nobody ends. */
  readonly neverClosed: number;
  /** Settings that could not be read. */
  readonly assumed: number;
}
