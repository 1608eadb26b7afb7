import { HalfOpenError } from "../core/errors.ts";
import { type ConnectionOptions, type OptionsWanted, readOptions } from "../kernel/connection-options.ts";
import { countDescriptors, DescriptorLinks, descriptorLimit, listDescriptors, NO_DESCRIPTOR } from "../kernel/descriptor-links.ts";
import { epollTargets } from "../kernel/epoll-targets.ts";
import { EIO } from "../kernel/errno-linux.ts";
import { ForeignProcess } from "../kernel/pidfd.ts";
import { COOKIE_BYTES } from "../kernel/platform-linux.ts";
import type { SystemPort } from "../kernel/port.ts";
import type { InodeIndex } from "./inode-index.ts";
import type { OwnerTable } from "./owner-table.ts";

/** One piece of the search for owners: a process. */
export interface DescriptorShare {
  readonly pid: number;
  /** Every number below is tried; `null`: the descriptors are listed. */
  readonly below: number | null;
}

/** From so many descriptors on a process is asked what its event loops watch, and its descriptors are tried rather than listed. */
const MANY = 2000;
/** Trying a number that is no descriptor costs a quarter of what a descriptor costs: in a table as sparse as this, listing is cheaper. */
const SPARSE = 4;
/** Event loops are made early in a process's life. */
const EPOLL_BELOW = 64;

/**
 * Cuts the search into processes, largest first. Never finer: two threads that read the links of one process wait for each other, and
 * take longer than one (measured on 6.18: 10 µs a link instead of 3). Returns also how many descriptors there are in all and in the
 * largest process, where the kernel (>= 6.2) tells.
 */
export function cutShares(pids: readonly number[]): { shares: DescriptorShare[]; descriptors: number; largest: number } {
  const sizes = pids.map((pid) => ({ pid, size: countDescriptors(pid) })).sort((a, b) => b.size - a.size);
  const shares = sizes.map(({ pid, size }) => ({ pid, below: size < MANY ? null : denseLimit(pid, size) }));
  return { shares, descriptors: sizes.reduce((sum, { size }) => sum + size, 0), largest: sizes[0]?.size ?? 0 };
}

function denseLimit(pid: number, size: number): number | null {
  const limit = descriptorLimit(pid);
  return limit >= size && limit <= SPARSE * size ? limit : null;
}

/** Why a process could not be searched, or `null` when it could, or ended meanwhile. */
export type Hidden = "hidden" | null;

/** Searches one share and reads the options of what it finds. */
export function searchShare(
  port: SystemPort,
  share: DescriptorShare,
  index: InodeIndex,
  into: OwnerTable,
  wanted: OptionsWanted = "all",
): Hidden {
  const { pid, below } = share;
  const links = DescriptorLinks.open(port, pid);
  if (typeof links === "string") return links === "hidden" ? links : null;
  const reader = new OptionReader(port, pid, wanted);
  try {
    if (below === null) for (const fd of listDescriptors(pid)) takeLinked(fd, links);
    else {
      const watched = watchedRows(pid, below, links, index);
      // The numbers in use are mostly the lowest: when all were met, nothing is left to try.
      let left = countDescriptors(pid);
      for (let fd = 0; fd < below && left > 0; fd++) if (takeWatched(fd, (watched[fd] as number) - 1) || takeLinked(fd, links)) left--;
    }
  } finally {
    reader.close();
    links.close();
  }
  return null;

  /** `false`: there is no such descriptor. */
  function takeLinked(fd: number, from: DescriptorLinks): boolean {
    const inode = from.socketInode(fd);
    if (inode === NO_DESCRIPTOR) return false;
    const row = index.rowOf(inode);
    if (row >= 0 && into.isBetterOwner(row, pid)) into.set(row, pid, fd, reader.read(row, fd, index));
    return true;
  }

  /** `false`: nothing is known, or what is could not be confirmed, so that the link must tell. */
  function takeWatched(fd: number, row: number): boolean {
    if (row < 0 || !into.isBetterOwner(row, pid)) return false;
    const options = reader.read(row, fd, index);
    if (typeof options === "number") return false;
    into.set(row, pid, fd, options);
    return true;
  }
}

/** By descriptor: 1 + the row of the socket that an event loop of the process watches by it; 0 where none does. To be confirmed: see epollTargets(). */
function watchedRows(pid: number, below: number, links: DescriptorLinks, index: InodeIndex): Uint32Array {
  const rows = new Uint32Array(below);
  for (let fd = 0; fd < Math.min(below, EPOLL_BELOW); fd++) {
    if (!links.isEpoll(fd)) continue;
    epollTargets(pid, fd, (target, inode) => {
      if (target < below) rows[target] = 1 + index.rowOf(inode);
    });
  }
  return rows;
}

function readWithoutKeepalive(duplicate: number): ConnectionOptions {
  return readOptions(duplicate, "without-keepalive");
}

/** Reads options through duplicates of one process's descriptors; the process is opened when its first socket turns up. */
class OptionReader {
  readonly #port: SystemPort;
  readonly #pid: number;
  readonly #wanted: OptionsWanted;
  readonly #readWanted = (duplicate: number): ConnectionOptions => readOptions(duplicate, this.#wanted);
  readonly #cookie: Uint8Array = new Uint8Array(COOKIE_BYTES);
  #process: ForeignProcess | number | null = null;

  constructor(port: SystemPort, pid: number, wanted: OptionsWanted) {
    this.#port = port;
    this.#pid = pid;
    this.#wanted = wanted;
  }

  /** The options of the socket in this row, if the descriptor is it; else the errno. */
  read(row: number, fd: number, index: InodeIndex): ConnectionOptions | number {
    this.#process ??= ForeignProcess.open(this.#port, this.#pid);
    if (typeof this.#process === "number") return -this.#process;
    index.copyCookie(row, this.#cookie);
    try {
      const isKnownOff = this.#wanted === "deciding" && index.isWithoutKeepalive(row);
      const options = this.#process.withSocket(fd, this.#cookie, isKnownOff ? readWithoutKeepalive : this.#readWanted);
      return typeof options === "number" ? -options : options;
    } catch (error) {
      // The kernel refused an option: the connection ended under us.
      if (!(error instanceof HalfOpenError)) throw error;
      return EIO;
    }
  }

  close(): void {
    if (this.#process !== null && typeof this.#process !== "number") this.#process.close();
  }
}
