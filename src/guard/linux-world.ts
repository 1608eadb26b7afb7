import type { LocalPath } from "../core/diagnosis.ts";
import { HalfOpenError } from "../core/errors.ts";
import type { MtuProbing } from "../core/judge/full-size.ts";
import type { TcpInfo } from "../core/tcp-info.ts";
import { examineLocalPath, routeSelectorsOf } from "../kernel/netlink/local-path.ts";
import type { NetworkNamespace } from "../kernel/netlink/network-namespace.ts";
import type { SockDiag } from "../kernel/netlink/sock-diag.ts";
import { nudgeDescriptor } from "../kernel/nudge.ts";
import { applyOptions, readOptions } from "../kernel/options/connection-options.ts";
import { EIO, ESRCH } from "../kernel/port/errno-linux.ts";
import type { SystemPort } from "../kernel/port/port.ts";
import { ForeignProcess } from "../kernel/process/pidfd.ts";
import { ConnectionTable } from "../survey/connection-table.ts";
import { type Owner, OwnerMap, OwnerNames, type SocketOwner } from "../survey/owners.ts";
import { Ending, type EndMethod } from "./ending.ts";
import type { Guarded } from "./guarded.ts";
import { LinuxNamespace } from "./linux-namespace.ts";
import type { Decide, GuardWorld, Look, Tuned } from "./world.ts";

/** The kernel as a guard sees and changes it. */
export class LinuxGuardWorld implements GuardWorld {
  readonly #port: SystemPort;
  readonly #ending: Ending;
  readonly #pids: (() => number[]) | undefined;
  readonly #owners: OwnerMap = new OwnerMap();
  readonly #names: OwnerNames = new OwnerNames();
  readonly #namespaces: Map<number, LinuxNamespace> = new Map();
  readonly #reading: ConnectionTable = new ConnectionTable();

  constructor(options: LinuxGuardWorldOptions) {
    this.#port = options.port;
    this.#ending = new Ending(options.port, options.ending, options.onProblem);
    this.#pids = options.pids;
  }

  /** Takes the namespaces that the rows of the next survey refer to, and lets the others go. */
  enter(namespaces: ReadonlyMap<number, NetworkNamespace>): void {
    for (const [index, known] of this.#namespaces) {
      if (namespaces.has(index)) continue;
      known.close();
      this.#namespaces.delete(index);
    }
    for (const [index, namespace] of namespaces) {
      const known = this.#namespaces.get(index);
      if (known) known.meetAgain(namespace);
      else this.#namespaces.set(index, new LinuxNamespace(this.#port, namespace));
    }
  }

  /** Tells, once, if connections cannot be ended as they should be: before the first one is. */
  tryEnding(): void {
    for (const { diag } of this.#namespaces.values()) if (diag) this.#ending.try(diag);
  }

  /** Returns a socket to the sock_diag of a namespace; `null` when there is none. */
  diagOf(namespaceIndex: number): SockDiag | null {
    return this.#namespaces.get(namespaceIndex)?.diag ?? null;
  }

  namespaceOf(namespaceIndex: number): NetworkNamespace | null {
    return this.#namespaces.get(namespaceIndex)?.found ?? null;
  }

  learnOwners(table: ConnectionTable): void {
    const live = new Set<number>();
    for (const row of table.rows()) live.add(row.inode);
    this.#names.clear();
    this.#owners.refresh(this.#pids?.(), (inode) => live.has(inode));
  }

  ownerOf(inode: number): SocketOwner | null {
    const owner = this.#owners.ownerOf(inode);
    return owner && this.#names.of(owner.pid);
  }

  /**
   * Reads again if this process lost the processor between the clock and the reading: the peer
   * would seem to have been heard by as much later, which would end its silence.
   */
  look(connection: Guarded): Look | null {
    for (let tries = 1; ; tries++) {
      const at = performance.now();
      const info = this.#read(connection);
      if (!info) return null;
      if (performance.now() - at <= LOOK_TAKES_MS || tries === MOST_TRIES) return { at, info };
    }
  }

  #read(connection: Guarded): TcpInfo | null {
    const diag = this.diagOf(connection.namespaceIndex);
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
    const diag = this.diagOf(connection.namespaceIndex);
    return this.#ending.end(connection, diag, (work) => this.#reach(connection, work));
  }

  examinePath(connection: Guarded): LocalPath | null {
    const { localAddress, localPort, remoteAddress, remotePort, interfaceIndex } = connection.id;
    const ends = { localAddress, localPort, remoteAddress, remotePort };
    const reached = this.#reach(connection, (fd) => ({ by: routeSelectorsOf(fd, ends) }));
    const by = typeof reached === "number" ? { interfaceIndex } : reached.by;
    const namespace = this.#namespaces.get(connection.namespaceIndex);
    return namespace?.inside(() => examineLocalPath({ ...ends, by })) ?? null;
  }

  retries2(namespaceIndex: number): number {
    return this.#namespaces.get(namespaceIndex)?.retries2 ?? 15;
  }

  mtuProbing(namespaceIndex: number): MtuProbing {
    return this.#namespaces.get(namespaceIndex)?.mtuProbing ?? { isOn: false, afterTimeouts: 3 };
  }

  close(): void {
    for (const namespace of this.#namespaces.values()) namespace.close();
    this.#namespaces.clear();
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
}

/** A look takes 0.05 ms unless this process loses the processor meanwhile. */
const LOOK_TAKES_MS = 2;
const MOST_TRIES = 5;

export interface LinuxGuardWorldOptions {
  readonly port: SystemPort;
  readonly ending: EndMethod;
  /** The processes that are searched for owners; default: all. */
  readonly pids?: () => number[];
  /** Called once for what this machine refuses; default: nobody is told. */
  readonly onProblem?: (problem: string) => void;
}
