import type { Diagnosis } from "../core/diagnosis.ts";
import type { TcpState } from "../core/tcp-info.ts";
import type { ConnectionOptions } from "../kernel/options/connection-options.ts";

export type GuardAction = "set" | "destroy" | "hold" | "would-set" | "would-destroy" | "error";

/** Which connection an entry of the log is about. */
export interface NamedConnection {
  readonly local: string;
  readonly remote: string;
  readonly state: TcpState;
  readonly pid: number | null;
  readonly process: string | null;
}

/**
 * One thing that a guard did, would have done, or could not do. One line of its JSON log, with the
 * evidence.
 */
export interface GuardEvent {
  /** ISO 8601, wall clock. */
  readonly time: string;
  readonly action: GuardAction;
  readonly rule: string;
  readonly connection: NamedConnection;
  /** The connection's settings before and after; `null` where none were read or changed. */
  readonly before: ConnectionOptions | null;
  readonly after: ConnectionOptions | null;
  readonly diagnosis: Diagnosis | null;
  /** Why, in words. */
  readonly reason: string;
}
