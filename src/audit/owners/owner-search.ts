import type { OptionsWanted } from "../../kernel/options/connection-options.ts";
import type { SystemPort } from "../../kernel/port/port.ts";
import type { ConnectionTable } from "../../survey/connection-table.ts";
import { listPids } from "../../survey/owners.ts";
import { searchProcess } from "./descriptor-search.ts";
import { OwnerTable } from "./owner-table.ts";

export interface FoundOwners {
  readonly owners: OwnerTable;
  /** Processes whose descriptors we may not list: other users' without CAP_SYS_PTRACE. */
  readonly hidden: number;
}

/**
 * Finds who holds each socket of a survey and reads its options, process by process. `pids`: where
 * to look, default everywhere.
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
  // Lowest first: of the processes that share a socket after a fork the first to be found is named,
  // mostly the parent.
  for (const pid of [...pids].sort((a, b) => a - b)) {
    if (searchProcess(port, pid, { table, rows, owners, wanted }) === "hidden") hidden++;
  }
  return { owners, hidden };
}

/** No descriptor leads to a socket with inode 0. */
export function rowsByInode(table: ConnectionTable): ReadonlyMap<number, number> {
  const rows = new Map<number, number>();
  for (const { inode, index } of table.rows())
    if (inode !== 0 && !rows.has(inode)) rows.set(inode, index); // an interrupted dump lists twice
  return rows;
}
