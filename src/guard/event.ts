import type { Diagnosis } from "../core/diagnosis.ts";
import type { TcpState } from "../core/tcp-info.ts";
import type { ConnectionOptions } from "../kernel/options/connection-options.ts";

export type GuardAction = "set" | "destroy" | "hold" | "would-set" | "would-destroy" | "error";

/** The connection that an entry of the log is about. */
export interface NamedConnection {
  readonly local: string;
  readonly remote: string;
  readonly state: TcpState;
  readonly pid: number | null;
  readonly process: string | null;
  /** The control group of the process: with containers, the container. */
  readonly cgroup: string | null;
  /** The network namespace of the connection; `null` = the guard's own. */
  readonly namespace: string | null;
}

/** One action that a guard took, would have taken, or failed at: a line of its JSON log. */
export interface GuardEvent {
  /** ISO 8601, wall clock. */
  readonly time: string;
  readonly action: GuardAction;
  readonly rule: string;
  readonly connection: NamedConnection;
  /** The connection's settings before and after; `null` where none were read or changed. */
  readonly before: ConnectionOptions | null;
  readonly after: ConnectionOptions | null;
  /** The evidence; `null` for an action that needs none. */
  readonly diagnosis: Diagnosis | null;
  /** Why, in words. */
  readonly reason: string;
}
