import { readdirSync, readlinkSync, statSync } from "node:fs";
import { HalfOpenError } from "../core/errors.ts";
import { ForeignProcess } from "../kernel/pidfd.ts";
import type { SystemPort } from "../kernel/port.ts";
import { readOptions } from "./exact-options.ts";
import type { InodeIndex } from "./inode-index.ts";
import type { OwnerTable } from "./owner-table.ts";

/** One piece of the search for owners: part `part` of `parts` of a process's descriptors. */
export interface DescriptorShare {
  readonly pid: number;
  readonly part: number;
  readonly parts: number;
}

const SOCKET_LINK = "socket:[";
/** A process with fewer descriptors is searched in one piece: to list them twice would cost more than it saves. */
const WORTH_SPLITTING = 2000;
const EIO = 5;

/** Cuts the search into pieces for `threads` threads, largest processes first. Returns also how many descriptors there are, where the kernel (>= 6.2) tells. */
export function cutShares(pids: readonly number[], threads: number): { shares: DescriptorShare[]; descriptors: number } {
  const sizes = pids.map((pid) => ({ pid, size: descriptorCount(pid) })).sort((a, b) => b.size - a.size);
  const shares = sizes.flatMap(({ pid, size }) => {
    const parts = size >= WORTH_SPLITTING ? threads : 1;
    return Array.from({ length: parts }, (_, part) => ({ pid, part, parts }));
  });
  return { shares, descriptors: sizes.reduce((sum, { size }) => sum + size, 0) };
}

/** The size of /proc/PID/fd is the number of descriptors since Linux 6.2 (fs/proc/fd.c), 0 before. */
function descriptorCount(pid: number): number {
  try {
    return statSync(`/proc/${pid}/fd`).size;
  } catch {
    return 0;
  }
}

/** Why a process could not be searched, or `null` when it could, or ended meanwhile. */
export type Hidden = "hidden" | null;

/** Searches one share and reads the options of what it finds (`port` null: owners only). */
export function searchShare(port: SystemPort | null, share: DescriptorShare, index: InodeIndex, into: OwnerTable): Hidden {
  const directory = `/proc/${share.pid}/fd`;
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EACCES" ? "hidden" : null;
  }
  const from = Math.floor((names.length * share.part) / share.parts);
  const to = Math.floor((names.length * (share.part + 1)) / share.parts);
  const reader = port === null ? null : new OptionReader(port, share.pid);
  try {
    for (let i = from; i < to; i++) {
      const row = index.rowOf(socketInode(`${directory}/${names[i]}`));
      if (row < 0 || !into.isBetterOwner(row, share.pid)) continue;
      const fd = Number(names[i]);
      into.setOwner(row, share.pid, fd);
      reader?.read(row, fd, index, into);
    }
  } finally {
    reader?.close();
  }
  return null;
}

/** Reads options through duplicates of one process's descriptors; the process is opened when its first socket turns up. */
class OptionReader {
  readonly #port: SystemPort;
  readonly #pid: number;
  #process: ForeignProcess | number | null = null;

  constructor(port: SystemPort, pid: number) {
    this.#port = port;
    this.#pid = pid;
  }

  read(row: number, fd: number, index: InodeIndex, into: OwnerTable): void {
    this.#process ??= ForeignProcess.open(this.#port, this.#pid);
    if (typeof this.#process === "number") {
      into.setErrno(row, -this.#process);
      return;
    }
    try {
      const options = this.#process.withSocket(fd, index.cookieOf(row), readOptions);
      if (typeof options === "number") into.setErrno(row, -options);
      else into.setOptions(row, options);
    } catch (error) {
      // The kernel refused an option: the connection ended under us.
      if (!(error instanceof HalfOpenError)) throw error;
      into.setErrno(row, EIO);
    }
  }

  close(): void {
    if (this.#process !== null && typeof this.#process !== "number") this.#process.close();
  }
}

/** 0 for what is no socket, or was closed meanwhile; no socket of a survey has it. */
function socketInode(path: string): number {
  try {
    const link = readlinkSync(path);
    return link.startsWith(SOCKET_LINK) ? Number(link.slice(SOCKET_LINK.length, -1)) : 0;
  } catch {
    return 0;
  }
}
