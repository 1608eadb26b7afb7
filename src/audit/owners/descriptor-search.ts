import { HalfOpenError } from "../../core/errors.ts";
import {
  type ConnectionOptions,
  type OptionsWanted,
  readOptions,
} from "../../kernel/options/connection-options.ts";
import { EIO } from "../../kernel/port/errno-linux.ts";
import type { SystemPort } from "../../kernel/port/port.ts";
import {
  countDescriptors,
  DescriptorLinks,
  descriptorLimit,
  listDescriptors,
  NO_DESCRIPTOR,
} from "../../kernel/process/descriptor-links.ts";
import { epollTargets } from "../../kernel/process/epoll-targets.ts";
import { ForeignProcess } from "../../kernel/process/pidfd.ts";
import { ConnectionRow } from "../../survey/connection-row.ts";
import type { ConnectionTable } from "../../survey/connection-table.ts";
import type { OwnerTable } from "./owner-table.ts";

/**
 * Searches the descriptors of one process, enters the process as the owner of the sockets it finds,
 * and reads their options. `below`: every number below it is tried as a descriptor; `null`: the
 * descriptors are listed. Returns "hidden" when the process may not be searched; `null` also when
 * it ended meanwhile.
 */
export function searchProcess(
  port: SystemPort,
  pid: number,
  search: OwnersWanted,
  below: number | null = denseLimit(pid),
): "hidden" | null {
  const { rows, owners } = search;
  const links = DescriptorLinks.open(port, pid);
  if (typeof links === "string") return links === "hidden" ? links : null;

  const reader = new OptionReader(port, pid, search);
  try {
    if (below === null) for (const fd of listDescriptors(pid)) takeLinked(fd, links);
    else {
      const watched = watchedRows(pid, below, links, rows);
      // The numbers in use are mostly the lowest: the search ends when all were found.
      let left = countDescriptors(pid);
      for (let fd = 0; fd < below && left > 0; fd++)
        if (takeWatched(fd, (watched[fd] as number) - 1) || takeLinked(fd, links)) left--;
    }
  } finally {
    reader.close();
    links.close();
  }
  return null;

  /** Enters the socket that the descriptor links to. Returns `false` for no descriptor. */
  function takeLinked(fd: number, from: DescriptorLinks): boolean {
    const inode = from.socketInode(fd);
    if (inode === NO_DESCRIPTOR) return false;
    const row = rows.get(inode);
    if (row !== undefined && owners.pidOf(row) === null)
      owners.set(row, pid, fd, reader.read(row, fd));
    return true;
  }

  /**
   * Enters the socket that an event loop watches by the descriptor. Returns `false` when none does,
   * or when the kernel does not confirm the socket: then the link decides.
   */
  function takeWatched(fd: number, row: number): boolean {
    if (row < 0 || owners.pidOf(row) !== null) return false;
    const options = reader.read(row, fd);
    if (typeof options === "number") return false;
    owners.set(row, pid, fd, options);
    return true;
  }
}

/** The sockets to find, and the table that their owners are entered in. */
export interface OwnersWanted {
  readonly table: ConnectionTable;
  /** The row of a socket by its inode. */
  readonly rows: ReadonlyMap<number, number>;
  readonly owners: OwnerTable;
  readonly wanted: OptionsWanted;
}

/**
 * Returns the limit below which trying every number is cheaper than listing. `null` for few
 * descriptors, for a sparse descriptor table, and on kernels before 6.2, which do not report the
 * number of descriptors.
 */
function denseLimit(pid: number): number | null {
  const size = countDescriptors(pid);
  if (size < MANY) return null;
  const limit = descriptorLimit(pid);
  return limit >= size && limit <= SPARSE * size ? limit : null;
}

/**
 * Returns, by descriptor, 1 + the row of the socket that an event loop of the process watches by
 * that descriptor; 0 where no loop does. The rows must be confirmed: see epollTargets().
 */
function watchedRows(
  pid: number,
  below: number,
  links: DescriptorLinks,
  rows: ReadonlyMap<number, number>,
): Uint32Array {
  const watched = new Uint32Array(below);
  for (let fd = 0; fd < Math.min(below, EPOLL_BELOW); fd++) {
    if (!links.isEpoll(fd)) continue;
    epollTargets(pid, fd, (target, inode) => {
      if (target < below) watched[target] = 1 + (rows.get(inode) ?? NO_ROW);
    });
  }
  return watched;
}

/** From this many descriptors on, event loops are read and numbers are tried, not listed. */
const MANY = 2000;

/**
 * Trying a number that is no descriptor costs a quarter of trying a descriptor. In a table sparser
 * than this, listing is cheaper.
 */
const SPARSE = 4;

/** Programs make their event loops early, so these have low numbers. */
const EPOLL_BELOW = 64;
const NO_ROW = -1;

/**
 * Reads options through duplicates of one process's descriptors. Opens the process when its first
 * socket is found.
 */
class OptionReader {
  readonly #port: SystemPort;
  readonly #pid: number;
  readonly #table: ConnectionTable;
  readonly #wanted: OptionsWanted;
  readonly #readWanted = (duplicate: number): ConnectionOptions =>
    readOptions(duplicate, this.#wanted);
  readonly #row: ConnectionRow = new ConnectionRow();
  #process: ForeignProcess | number | null = null;

  constructor(port: SystemPort, pid: number, { table, wanted }: OwnersWanted) {
    this.#port = port;
    this.#pid = pid;
    this.#table = table;
    this.#wanted = wanted;
  }

  /** Returns the options of the socket in this row, or an errno, e.g. for another socket. */
  read(index: number, fd: number): ConnectionOptions | number {
    this.#process ??= ForeignProcess.open(this.#port, this.#pid);
    if (typeof this.#process === "number") return -this.#process;

    const row = this.#table.row(index, this.#row);
    try {
      const isKnownOff = this.#wanted === "deciding" && row.isSeenWithoutKeepalive;
      const options = this.#process.withSocket(
        fd,
        row.cookieBytes,
        isKnownOff ? readWithoutKeepalive : this.#readWanted,
      );
      return typeof options === "number" ? -options : options;
    } catch (error) {
      // The kernel refused an option: the connection ended meanwhile.
      if (!(error instanceof HalfOpenError)) throw error;
      return EIO;
    }
  }

  close(): void {
    if (this.#process !== null && typeof this.#process !== "number") this.#process.close();
  }
}

function readWithoutKeepalive(duplicate: number): ConnectionOptions {
  return readOptions(duplicate, "without-keepalive");
}
