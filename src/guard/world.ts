import type { LocalPath } from "../core/diagnosis.ts";
import type { MtuProbing } from "../core/judge/full-size.ts";
import type { TcpInfo } from "../core/tcp-info.ts";
import type { Instant } from "../core/time/instant.ts";
import type { NetworkNamespace } from "../kernel/netlink/network-namespace.ts";
import type { ConnectionOptions } from "../kernel/options/connection-options.ts";
import type { ConnectionTable } from "../survey/connection-table.ts";
import type { SocketOwner } from "../survey/owners.ts";
import type { Guarded } from "./guarded.ts";

/**
 * The machine that a guard sees and changes: the kernel, or a model of it in tests. No method
 * throws.
 */
export interface GuardWorld {
  /** Returns the owner of a socket; `null` when no visible process holds it. */
  ownerOf(inode: number): SocketOwner | null;
  /** Returns a network namespace of the last survey; `null` when it is not known. */
  namespaceOf(namespaceIndex: number): NetworkNamespace | null;
  /** Searches the owners of a survey's sockets. Called before {@link ownerOf} for new sockets. */
  learnOwners(table: ConnectionTable): void;
  /** Takes a fresh reading of exactly this connection; `null` when the connection is gone. */
  look(connection: Guarded): Look | null;
  /** Reads the settings and, unless `isDry`, changes them. */
  tune(connection: Guarded, decide: Decide, isDry: boolean): Tuned;
  /** Sends a keepalive probe now. Returns 0 or the errno. */
  nudge(connection: Guarded): number;
  /** Ends exactly this connection. Returns 0 or the errno; ENOENT: the connection is gone. */
  end(connection: Guarded): number;
  /** Examines whether this host itself can still reach the peer; `null` when unknown. */
  examinePath(connection: Guarded): LocalPath | null;
  /** Returns tcp_retries2 of a network namespace. */
  retries2(namespaceIndex: number): number;
  /** Returns how a network namespace searches for the size of segments that passes. */
  mtuProbing(namespaceIndex: number): MtuProbing;
}

/** A reading, and its own instant: its ages count from there. */
export interface Look {
  readonly at: Instant;
  readonly info: TcpInfo;
}

/** How a survey went in each network namespace, by the namespace's index. */
export interface Surveyed {
  /** The surveys still know the namespace. Default: yes. */
  isThere(namespaceIndex: number): boolean;
  /** All of its sockets are in the table, not only those in the guard's care. Default: yes. */
  isListed(namespaceIndex: number): boolean;
  /** When its sockets were read. Default: when the survey began. */
  readAt(namespaceIndex: number): Instant;
}

/** The result of changing a connection. `errno` 0: it worked, or there was nothing to do. */
export interface Tuned {
  readonly errno: number;
  readonly before: ConnectionOptions | null;
  /** As read back; `null` when nothing was changed. */
  readonly after: ConnectionOptions | null;
}

/** Returns the settings that a connection should have, or `null` to leave them as they are. */
export type Decide = (before: ConnectionOptions) => ConnectionOptions | null;
