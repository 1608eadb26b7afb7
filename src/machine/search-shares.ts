import type { OptionsWanted } from "../kernel/connection-options.ts";
import type { SystemPort } from "../kernel/port.ts";
import { type DescriptorShare, searchShare } from "./descriptor-share.ts";
import { InodeIndex, type SharedInodes } from "./inode-index.ts";
import { OwnerTable } from "./owner-table.ts";

/** What a thread is asked to do. All memory is shared. */
export interface SearchOrder {
  readonly inodes: SharedInodes;
  readonly rows: number;
  readonly shares: readonly DescriptorShare[];
  /** The number of the next share that nobody has taken. */
  readonly next: SharedArrayBuffer;
  readonly wanted: OptionsWanted;
}

export interface SearchAnswer {
  readonly owners: SharedArrayBuffer;
  readonly hidden: number;
}

/** Takes shares until none is left. */
export function searchShares(port: SystemPort, order: SearchOrder): SearchAnswer {
  const index = new InodeIndex(order.inodes);
  const owners = OwnerTable.ofSize(order.rows);
  const next = new Int32Array(order.next);
  let hidden = 0;
  for (;;) {
    const share = order.shares[Atomics.add(next, 0, 1)];
    if (!share) return { owners: owners.shared, hidden };
    if (searchShare(port, share, index, owners, order.wanted) === "hidden") hidden++;
  }
}
