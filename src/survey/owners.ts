import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** Who holds a socket: a process and the descriptor it holds it by. */
export interface Owner {
  readonly pid: number;
  readonly fd: number;
}

const SOCKET_LINK = "socket:[";
/**
 * A descriptor fits into 31 bits, a pid into 22 (PID_MAX_LIMIT), so one number holds both exactly.
 */
const PID_UNIT = 2 ** 31;

interface KnownProcess {
  /** By descriptor: the inode of the socket it was when last looked at, 0 for what is no socket. */
  readonly inodes: Map<number, number>;
  round: number;
}

/**
 * Finds which process holds a socket, from /proc/PID/fd. A full look costs 4 to 6 µs a descriptor
 * (measured), so what is known is kept: a descriptor is looked at again only when it is new or its
 * socket has left the survey.
 */
export class OwnerMap {
  readonly #owners = new Map<number, number>();
  readonly #processes = new Map<number, KnownProcess>();
  #round = 0;
  /**
   * Processes whose descriptors we may not list: other users' without CAP_SYS_PTRACE and
   * CAP_DAC_READ_SEARCH.
   */
  hidden = 0;

  /**
   * The first process found that holds the socket; after a fork there may be more. `null`: none
   * that we may look at.
   */
  ownerOf(inode: number): Owner | null {
    const packed = inode === 0 ? undefined : this.#owners.get(inode);
    if (packed === undefined) return null;
    return { pid: Math.floor(packed / PID_UNIT), fd: packed % PID_UNIT };
  }

  /**
   * Looks at the processes (default: all). `isLive` tells which inodes the survey still has;
   * without it nothing known is trusted.
   */
  refresh(
    pids: readonly number[] = listPids(),
    isLive: (inode: number) => boolean = () => false,
  ): void {
    this.#round++;
    this.#owners.clear();
    this.hidden = 0;
    for (const pid of pids) this.#look(pid, isLive);
    for (const [pid, known] of this.#processes)
      if (known.round !== this.#round) this.#processes.delete(pid);
  }

  #look(pid: number, isLive: (inode: number) => boolean): void {
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

/** The processes of this machine, lowest first: the parent of a fork comes before its children. */
export function listPids(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
}

/**
 * The short name of a process (15 bytes at most, the kernel's limit), which it may choose freely;
 * `null` when it is gone.
 */
export function processName(pid: number): string | null {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").replace(/\n$/, "");
  } catch {
    return null;
  }
}

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
