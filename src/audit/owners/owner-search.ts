import type { OptionsWanted } from "../../kernel/options/connection-options.ts";
import type { SystemPort } from "../../kernel/port/port.ts";
import type { ConnectionTable } from "../../survey/connection-table.ts";
import { listPids } from "../../survey/owners.ts";
import { searchProcess } from "./descriptor-search.ts";
import { OwnerTable } from "./owner-table.ts";

/** The result of a search for owners. */
export interface FoundOwners {
  readonly owners: OwnerTable;
  /**
   * The number of processes whose descriptors we may not list: those of other users, without
   * CAP_SYS_PTRACE.
   */
  readonly hidden: number;
}

/**
 * Finds the owner of each socket of a survey and reads the socket's options, process by process.
 * Searches `pids`, by default all processes.
 */
export function findOwners(
  port: SystemPort,
  table: ConnectionTable,
  wanted: OptionsWanted = "all",
  pids: readonly number[] = listPids(),
): FoundOwners {
  const owners = new OwnerTable(table.size);
  const rows = rowsByInode(table);
  let hidden = 0;

  // Lowest pid first: of processes that share a socket after a fork, the first to be found is
  // named, and that is mostly the parent.
  for (const pid of [...pids].sort((a, b) => a - b)) {
    if (searchProcess(port, pid, { table, rows, owners, wanted }) === "hidden") hidden++;
  }
  return { owners, hidden };
}

/** Maps inodes to rows. Leaves out inode 0: no descriptor leads to such a socket. */
export function rowsByInode(table: ConnectionTable): ReadonlyMap<number, number> {
  const rows = new Map<number, number>();
  for (const { inode, index } of table.rows()) {
    // An interrupted dump may list a socket twice.
    if (inode !== 0 && !rows.has(inode)) rows.set(inode, index);
  }
  return rows;
}
