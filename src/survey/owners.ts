import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { cgroupOf } from "./cgroup.ts";

/** A process and the descriptor by which it holds a socket. */
export interface Owner {
  readonly pid: number;
  readonly fd: number;
}

/**
 * Finds the process that holds a socket, from /proc/PID/fd. Reading a descriptor's link costs 4 to
 * 6 µs (measured), so results are kept: a link is read again only when the descriptor is new or its
 * socket has left the survey.
 */
export class OwnerMap {
  readonly #owners = new Map<number, number>();
  readonly #processes = new Map<number, KnownProcess>();
  #round = 0;
  /**
   * The number of processes whose descriptors we may not list: those of other users, without
   * CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH.
   */
  hidden = 0;

  /**
   * Returns the first process found that holds the socket; after a fork there may be more. `null`
   * when no visible process holds it.
   */
  ownerOf(inode: number): Owner | null {
    const packed = inode === 0 ? undefined : this.#owners.get(inode);
    if (packed === undefined) return null;
    return { pid: Math.floor(packed / PID_UNIT), fd: packed % PID_UNIT };
  }

  /**
   * Reads the descriptors of the processes (default: all). `isLive` is true for the inodes that the
   * survey still has; without it every link is read again.
   */
  refresh(
    pids: readonly number[] = listPids(),
    isLive: (inode: number) => boolean = () => false,
  ): void {
    this.#round++;
    this.#owners.clear();
    this.hidden = 0;

    for (const pid of pids) this.#searchProcess(pid, isLive);

    for (const [pid, known] of this.#processes)
      if (known.round !== this.#round) this.#processes.delete(pid);
  }

  #searchProcess(pid: number, isLive: (inode: number) => boolean): void {
    const directory = `/proc/${pid}/fd`;
    let names: string[];
    try {
      names = readdirSync(directory);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EACCES") this.hidden++;
      return;
    }

    const before = this.#processes.get(pid)?.inodes;
    const inodes = new Map<number, number>();

    for (const name of names) {
      const fd = Number(name);
      const known = before?.get(fd);
      const inode =
        known !== undefined && known !== 0 && isLive(known)
          ? known
          : socketInode(`${directory}/${name}`);
      inodes.set(fd, inode);
      if (inode !== 0 && !this.#owners.has(inode)) this.#owners.set(inode, pid * PID_UNIT + fd);
    }

    this.#processes.set(pid, { inodes, round: this.#round });
  }
}

/**
 * Lists the processes of this machine, lowest pid first: a parent mostly comes before its children.
 */
export function listPids(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
}

/**
 * Returns the short name of a process, at most 15 bytes (the kernel's limit). The process chooses
 * it freely. `null` when the process is gone.
 */
export function processName(pid: number): string | null {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").replace(/\n$/, "");
  } catch {
    return null;
  }
}

/** A process that holds sockets, as reports name it. */
export interface SocketOwner {
  readonly pid: number;
  /** See {@link processName}. */
  readonly process: string | null;
  /** See {@link cgroupOf}. */
  readonly cgroup: string | null;
}

/** Names processes. Reads each once. */
export class OwnerNames {
  readonly #known: Map<number, SocketOwner> = new Map();

  of(pid: number): SocketOwner {
    let owner = this.#known.get(pid);
    if (!owner) {
      owner = { pid, process: processName(pid), cgroup: cgroupOf(pid) };
      this.#known.set(pid, owner);
    }
    return owner;
  }

  /** Forgets all: a number may mean another process by now. */
  clear(): void {
    this.#known.clear();
  }
}

interface KnownProcess {
  /** By descriptor: the inode of its socket when the link was last read, 0 for anything else. */
  readonly inodes: Map<number, number>;
  /** The refresh that last found the process. */
  round: number;
}

/** 0 when the descriptor is no socket. */
function socketInode(path: string): number {
  let link: string;
  try {
    link = readlinkSync(path);
  } catch {
    return 0; // closed meanwhile
  }
  if (!link.startsWith(SOCKET_LINK)) return 0;
  return Number(link.slice(SOCKET_LINK.length, -1));
}

const SOCKET_LINK = "socket:[";

/** Packs pid and descriptor into one exact number: 22 bits (PID_MAX_LIMIT) and 31 bits. */
const PID_UNIT = 2 ** 31;
