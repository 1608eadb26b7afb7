import type { LocalPath } from "../core/diagnosis.ts";
import type { TcpInfo } from "../core/tcp-info.ts";
import type { ConnectionOptions } from "../kernel/options/connection-options.ts";
import type { ConnectionTable } from "../survey/connection-table.ts";
import type { Guarded } from "./guarded.ts";

/**
 * What became of an attempt to change a connection. `errno` 0: it worked, or there was nothing to
 * do.
 */
export interface Tuned {
  readonly errno: number;
  readonly before: ConnectionOptions | null;
  /** As read back; `null` when nothing was changed. */
  readonly after: ConnectionOptions | null;
}

/** Says what the settings should be, or `null` to leave them. */
export type Decide = (before: ConnectionOptions) => ConnectionOptions | null;

/**
 * What a guard can see and do. The real one speaks to the kernel; tests put a model in its place.
 * Nothing here throws.
 */
export interface GuardWorld {
  /** Whose a socket is; `null` when nobody we may look at holds it. */
  ownerOf(inode: number): { readonly pid: number; readonly process: string | null } | null;
  /** Called before new sockets of a survey are asked about. */
  learnOwners(table: ConnectionTable): void;
  /** A fresh reading of exactly this connection; `null` when it is gone. */
  look(connection: Guarded): TcpInfo | null;
  /** Reads the settings and, unless `isDry`, changes them. */
  tune(connection: Guarded, decide: Decide, isDry: boolean): Tuned;
  /** Sends a keepalive probe now. Returns 0 or the errno. */
  nudge(connection: Guarded): number;
  /** Ends exactly this connection. Returns 0 or the errno; ENOENT when it is gone already. */
  end(connection: Guarded): number;
  /** Whether this host itself can still reach the peer; `null` when that is not known. */
  examinePath(connection: Guarded): LocalPath | null;
  /** tcp_retries2 where the connection lives. */
  retries2(namespaceIndex: number): number;
}
