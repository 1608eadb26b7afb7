import type { LocalPath } from "../core/diagnosis.ts";
import { HalfOpenError } from "../core/errors.ts";
import type { MtuProbing } from "../core/judge/full-size.ts";
import type { TcpInfo } from "../core/tcp-info.ts";
import { examineLocalPath, routeSelectorsOf } from "../kernel/netlink/local-path.ts";
import { insideNamespace, type NetworkNamespace } from "../kernel/netlink/network-namespace.ts";
import { SockDiag } from "../kernel/netlink/sock-diag.ts";
import { nudgeDescriptor } from "../kernel/nudge.ts";
import { applyOptions, readOptions } from "../kernel/options/connection-options.ts";
import { disconnect } from "../kernel/options/disconnect.ts";
import { readMtuProbing } from "../kernel/options/mtu-probing.ts";
import { applyUserTimeout } from "../kernel/options/user-timeout.ts";
import { EBUSY, EIO, ENOENT, EOPNOTSUPP, EPERM, ESRCH } from "../kernel/port/errno-linux.ts";
import type { SystemPort } from "../kernel/port/port.ts";
import { ForeignProcess } from "../kernel/process/pidfd.ts";
import { readSystemDefaults } from "../kernel/system/system-defaults.ts";
import { ConnectionTable } from "../survey/connection-table.ts";
import { type Owner, OwnerMap, processName } from "../survey/owners.ts";
import type { Guarded } from "./guarded.ts";
import type { Decide, GuardWorld, Tuned } from "./world.ts";

/** The kernel as a guard sees and changes it. */
export class LinuxGuardWorld implements GuardWorld {
  readonly #port: SystemPort;
  readonly #endMethod: EndMethod;
  readonly #pids: (() => number[]) | undefined;
  readonly #owners: OwnerMap = new OwnerMap();
  readonly #names: Map<number, string | null> = new Map();
  readonly #diags: Map<number, SockDiag> = new Map();
  readonly #retries: Map<number, number> = new Map();
  readonly #mtuProbing: Map<number, MtuProbing> = new Map();
  readonly #reading: ConnectionTable = new ConnectionTable();
  #namespaces: readonly NetworkNamespace[] = [];

  constructor(options: LinuxGuardWorldOptions) {
    this.#port = options.port;
    this.#endMethod = options.ending;
    this.#pids = options.pids;
  }

  /** Takes the namespaces that the rows of the next survey refer to. */
  enter(namespaces: readonly NetworkNamespace[]): void {
    this.#namespaces = namespaces;
  }

  learnOwners(table: ConnectionTable): void {
    const live = new Set<number>();
    for (const row of table.rows()) live.add(row.inode);
    this.#names.clear();
    this.#owners.refresh(this.#pids?.(), (inode) => live.has(inode));
  }

  ownerOf(inode: number): { pid: number; process: string | null } | null {
    const owner = this.#owners.ownerOf(inode);
    if (!owner) return null;
    const { pid } = owner;
    if (!this.#names.has(pid)) this.#names.set(pid, processName(pid));
    return { pid, process: this.#names.get(pid) ?? null };
  }

  look(connection: Guarded): TcpInfo | null {
    const diag = this.#diagOf(connection.namespaceIndex);
    if (!diag) return null;

    this.#reading.truncate(0);
    const errno = diag.lookup(connection.id, (bytes, start, end) =>
      this.#reading.add(bytes, start, end, 0),
    );
    if (errno !== 0 || this.#reading.size === 0) return null;

    const row = this.#reading.row(0);
    return row.cookieKey === connection.key ? row.tcpInfo : null;
  }

  tune(connection: Guarded, decide: Decide, isDry: boolean): Tuned {
    const tuned = this.#reach(connection, (fd): Tuned => {
      const before = readOptions(fd);
      const wanted = decide(before);
      if (!wanted) return { errno: 0, before, after: null };
      return { errno: 0, before, after: isDry ? wanted : applyOptions(fd, before, wanted) };
    });
    return typeof tuned === "number" ? { errno: tuned, before: null, after: null } : tuned;
  }

  nudge(connection: Guarded): number {
    const result = this.#reach(connection, (fd) => {
      nudgeDescriptor(fd);
      return { errno: 0 };
    });
    return typeof result === "number" ? result : 0;
  }

  end(connection: Guarded): number {
    if (this.#endMethod === "disconnect") return this.#disconnect(connection);
    const errno = this.#diagOf(connection.namespaceIndex)?.destroy(connection.id) ?? ENOENT;
    // Without CAP_NET_ADMIN or CONFIG_INET_DIAG_DESTROY the user's own programs can still be
    // reached.
    return (errno === EPERM || errno === EOPNOTSUPP) && this.#disconnect(connection) === 0
      ? 0
      : errno;
  }

  examinePath(connection: Guarded): LocalPath | null {
    if (this.#namespaces[connection.namespaceIndex]?.isOwn === false) return null;
    const { localAddress, localPort, remoteAddress, remotePort, interfaceIndex } = connection.id;
    const ends = { localAddress, localPort, remoteAddress, remotePort };
    const reached = this.#reach(connection, (fd) => ({ by: routeSelectorsOf(fd, ends) }));
    const by = typeof reached === "number" ? { interfaceIndex } : reached.by;
    return examineLocalPath({ ...ends, by });
  }

  retries2(namespaceIndex: number): number {
    let retries2 = this.#retries.get(namespaceIndex);
    if (retries2 === undefined) {
      retries2 = this.#inside(namespaceIndex, () => readSystemDefaults().retries2) ?? 15;
      this.#retries.set(namespaceIndex, retries2);
    }
    return retries2;
  }

  mtuProbing(namespaceIndex: number): MtuProbing {
    let probing = this.#mtuProbing.get(namespaceIndex);
    if (!probing) {
      probing = this.#inside(namespaceIndex, readMtuProbing) ?? { isOn: false, afterTimeouts: 3 };
      this.#mtuProbing.set(namespaceIndex, probing);
    }
    return probing;
  }

  close(): void {
    for (const diag of this.#diags.values()) diag.close();
    this.#diags.clear();
  }

  #disconnect(connection: Guarded): number {
    const result = this.#reach(connection, (fd) => ({ errno: this.#disconnectDescriptor(fd) }));
    return typeof result === "number" ? result : result.errno;
  }

  /**
   * Kernels 6.4 to 6.6 refuse to disconnect while a thread is blocked in the socket. There a user
   * timeout of 1 ms makes the kernel's own timer end the connection.
   */
  #disconnectDescriptor(fd: number): number {
    const result = disconnect(this.#port, fd);
    if (result !== -EBUSY) return Math.max(0, -result);
    applyUserTimeout(fd, 1);
    nudgeDescriptor(fd);
    return 0;
  }

  /**
   * Runs `work` on a duplicate of the connection's descriptor. Returns the result of `work`, or an
   * errno, which is never 0.
   */
  #reach<T extends object>(connection: Guarded, work: (fd: number) => T): T | number {
    const owner: Owner | null = this.#owners.ownerOf(connection.inode);
    if (!owner) return ESRCH;
    const process = ForeignProcess.open(this.#port, owner.pid);
    if (typeof process === "number") return -process;

    try {
      const result = process.withSocket(owner.fd, connection.id.cookieBytes, work);
      return typeof result === "number" ? -result : result;
    } catch (error) {
      // The kernel refused an option: the connection ended meanwhile.
      if (error instanceof HalfOpenError) return EIO;
      throw error;
    } finally {
      process.close();
    }
  }

  #diagOf(namespaceIndex: number): SockDiag | null {
    const known = this.#diags.get(namespaceIndex);
    if (known) return known;
    const diag = this.#inside(namespaceIndex, () => SockDiag.open(this.#port));
    if (diag === null || typeof diag === "number") return null;
    this.#diags.set(namespaceIndex, diag);
    return diag;
  }

  /** Returns `null` when the namespace is gone or may not be entered. */
  #inside<T>(namespaceIndex: number, work: () => T): T | null {
    const namespace = this.#namespaces[namespaceIndex];
    if (!namespace) return null;
    try {
      return insideNamespace(this.#port, namespace, work);
    } catch (error) {
      if (error instanceof HalfOpenError) return null;
      throw error;
    }
  }
}

/**
 * The way to end a connection. `disconnect`: through a duplicate of the owner's descriptor, which
 * the same user may do. `destroy`: by SOCK_DESTROY, which needs CAP_NET_ADMIN; where the kernel
 * refuses it, by `disconnect`.
 */
export type EndMethod = "destroy" | "disconnect";

export interface LinuxGuardWorldOptions {
  readonly port: SystemPort;
  readonly ending: EndMethod;
  /** The processes that are searched for owners; default: all. */
  readonly pids?: () => number[];
}
