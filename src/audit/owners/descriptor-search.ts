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

/** What is looked for, and where it is entered. */
export interface OwnersWanted {
  readonly table: ConnectionTable;
  /** The row of a socket by its inode. */
  readonly rows: ReadonlyMap<number, number>;
  readonly owners: OwnerTable;
  readonly wanted: OptionsWanted;
}

/**
 * From so many descriptors on a process is asked what its event loops watch, and its descriptors
 * are tried rather than listed.
 */
const MANY = 2000;
/**
 * Trying a number that is no descriptor costs a quarter of what a descriptor costs: in a table as
 * sparse as this, listing is cheaper.
 */
const SPARSE = 4;
/** Event loops are made early in a process's life. */
const EPOLL_BELOW = 64;
const NO_ROW = -1;

/** Why a process could not be searched, or `null` when it could, or ended meanwhile. */
export type Hidden = "hidden" | null;

/**
 * Searches the descriptors of one process and reads the options of the sockets it finds. `below`:
 * every number below is tried; `null`: the descriptors are listed.
 */
export function searchProcess(
  port: SystemPort,
  pid: number,
  into: OwnersWanted,
  below: number | null = denseLimit(pid),
): Hidden {
  const { rows, owners } = into;
  const links = DescriptorLinks.open(port, pid);
  if (typeof links === "string") return links === "hidden" ? links : null;
  const reader = new OptionReader(port, pid, into);
  try {
    if (below === null) for (const fd of listDescriptors(pid)) takeLinked(fd, links);
    else {
      const watched = watchedRows(pid, below, links, rows);
      // The numbers in use are mostly the lowest: when all were met, nothing is left to try.
      let left = countDescriptors(pid);
      for (let fd = 0; fd < below && left > 0; fd++)
        if (takeWatched(fd, (watched[fd] as number) - 1) || takeLinked(fd, links)) left--;
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
    const row = rows.get(inode);
    if (row !== undefined && owners.pidOf(row) === null)
      owners.set(row, pid, fd, reader.read(row, fd));
    return true;
  }

  /** `false`: nothing is known, or what is could not be confirmed, so that the link must tell. */
  function takeWatched(fd: number, row: number): boolean {
    if (row < 0 || owners.pidOf(row) !== null) return false;
    const options = reader.read(row, fd);
    if (typeof options === "number") return false;
    owners.set(row, pid, fd, options);
    return true;
  }
}

/**
 * `null`: of few descriptors, or a sparse table; also where the kernel (< 6.2) does not tell how
 * many there are.
 */
function denseLimit(pid: number): number | null {
  const size = countDescriptors(pid);
  if (size < MANY) return null;
  const limit = descriptorLimit(pid);
  return limit >= size && limit <= SPARSE * size ? limit : null;
}

/**
 * By descriptor: 1 + the row of the socket that an event loop of the process watches by it; 0 where
 * none does. To be confirmed: see epollTargets().
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

function readWithoutKeepalive(duplicate: number): ConnectionOptions {
  return readOptions(duplicate, "without-keepalive");
}

/**
 * Reads options through duplicates of one process's descriptors; the process is opened when its
 * first socket turns up.
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

  /** The options of the socket in this row, if the descriptor is it; else the errno. */
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
      // The kernel refused an option: the connection ended under us.
      if (!(error instanceof HalfOpenError)) throw error;
      return EIO;
    }
  }

  close(): void {
    if (this.#process !== null && typeof this.#process !== "number") this.#process.close();
  }
}
