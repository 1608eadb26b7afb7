import { HalfOpenError } from "../core/errors.ts";
import { countDescriptors, DescriptorLinks, descriptorLimit, listDescriptors } from "../kernel/descriptor-links.ts";
import { ForeignProcess } from "../kernel/pidfd.ts";
import type { SystemPort } from "../kernel/port.ts";
import { type OptionsWanted, readOptions } from "./exact-options.ts";
import type { InodeIndex } from "./inode-index.ts";
import type { OwnerTable } from "./owner-table.ts";

/** One piece of the search for owners: the descriptors of a process, all or those from `from` to below `to`. */
export interface DescriptorShare {
  readonly pid: number;
  readonly range: { readonly from: number; readonly to: number } | null;
}

/** A process with fewer descriptors is searched in one piece. */
const WORTH_SPLITTING = 2000;
const DESCRIPTORS_IN_A_PIECE = 2048;
/** Trying a number that is no descriptor costs a quarter of what a descriptor costs: in a table as sparse as this, listing is cheaper. */
const SPARSE = 4;
const COOKIE_BYTES = 8;
const EIO = 5;

/** Cuts the search into pieces, largest processes first. Returns also how many descriptors there are, where the kernel (>= 6.2) tells. */
export function cutShares(pids: readonly number[]): { shares: DescriptorShare[]; descriptors: number } {
  const sizes = pids.map((pid) => ({ pid, size: countDescriptors(pid) })).sort((a, b) => b.size - a.size);
  const shares = sizes.flatMap(({ pid, size }) => (size >= WORTH_SPLITTING ? piecesOf(pid, size) : [{ pid, range: null }]));
  return { shares, descriptors: sizes.reduce((sum, { size }) => sum + size, 0) };
}

/** By their numbers: no thread lists what the others search. */
function piecesOf(pid: number, size: number): DescriptorShare[] {
  const limit = descriptorLimit(pid);
  if (limit < size || limit > SPARSE * size) return [{ pid, range: null }];
  return Array.from({ length: Math.ceil(limit / DESCRIPTORS_IN_A_PIECE) }, (_, piece) => {
    const from = piece * DESCRIPTORS_IN_A_PIECE;
    return { pid, range: { from, to: Math.min(limit, from + DESCRIPTORS_IN_A_PIECE) } };
  });
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
  const { pid, range } = share;
  const links = DescriptorLinks.open(port, pid);
  if (typeof links === "string") return links === "hidden" ? links : null;
  const reader = new OptionReader(port, pid, wanted);
  const look = (fd: number): void => {
    const row = index.rowOf(links.socketInode(fd));
    if (row < 0 || !into.isBetterOwner(row, pid)) return;
    into.setOwner(row, pid, fd);
    reader.read(row, fd, index, into);
  };
  try {
    if (range) for (let fd = range.from; fd < range.to; fd++) look(fd);
    else for (const fd of listDescriptors(pid)) look(fd);
  } finally {
    reader.close();
    links.close();
  }
  return null;
}

/** Reads options through duplicates of one process's descriptors; the process is opened when its first socket turns up. */
class OptionReader {
  readonly #port: SystemPort;
  readonly #pid: number;
  readonly #read: (duplicate: number) => ReturnType<typeof readOptions>;
  readonly #cookie: Uint8Array = new Uint8Array(COOKIE_BYTES);
  #process: ForeignProcess | number | null = null;

  constructor(port: SystemPort, pid: number, wanted: OptionsWanted) {
    this.#port = port;
    this.#pid = pid;
    this.#read = (duplicate) => readOptions(duplicate, wanted);
  }

  read(row: number, fd: number, index: InodeIndex, into: OwnerTable): void {
    this.#process ??= ForeignProcess.open(this.#port, this.#pid);
    if (typeof this.#process === "number") {
      into.setErrno(row, -this.#process);
      return;
    }
    index.copyCookie(row, this.#cookie);
    try {
      const options = this.#process.withSocket(fd, this.#cookie, this.#read);
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
