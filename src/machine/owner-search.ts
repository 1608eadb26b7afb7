import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { OptionsWanted } from "../kernel/connection-options.ts";
import type { SystemPort } from "../kernel/port.ts";
import type { ConnectionTable } from "./connection-table.ts";
import { cutShares, type DescriptorShare } from "./descriptor-share.ts";
import { InodeIndex } from "./inode-index.ts";
import { OwnerTable } from "./owner-table.ts";
import { listPids } from "./owners.ts";
import { type SearchAnswer, type SearchOrder, searchShares } from "./search-shares.ts";

/**
 * Descriptors beside those of the largest process. A thread costs some 80 ms of processor time until it is of use, in which 10,000 are
 * searched without one.
 */
const WORTH_A_THREAD = 10_000;
const MOST_THREADS = 4;

/** The threads' program as it was built; also when this file runs from the sources, as in tests, or as a part of cli/audit.js. */
const THREAD = new URL(
  import.meta.url.includes("/src/") ? "../../dist/machine/owner-search-thread.js" : "../machine/owner-search-thread.js",
  import.meta.url,
);

export interface SearchOptions {
  readonly wanted?: OptionsWanted;
  /** Where to look, default everywhere. */
  readonly pids?: readonly number[];
  /** From how many descriptors on threads help. */
  readonly worthAThread?: number;
}

export interface FoundOwners {
  readonly owners: OwnerTable;
  /** Processes whose descriptors we may not list: other users' without CAP_SYS_PTRACE. */
  readonly hidden: number;
}

/**
 * Finds who holds each socket and reads its options, on several threads where there is much to search. Prepare it before the survey:
 * its threads start while the kernel is asked.
 */
export class OwnerSearch {
  readonly #shares: readonly DescriptorShare[];
  readonly #port: SystemPort;
  readonly #wanted: OptionsWanted;
  readonly #workers: Worker[] = [];

  constructor(port: SystemPort, options: SearchOptions = {}) {
    const { shares, descriptors, largest } = cutShares(options.pids ?? listPids());
    const isWorthThreads = descriptors - largest >= (options.worthAThread ?? WORTH_A_THREAD);
    this.#port = port;
    this.#shares = shares;
    this.#wanted = options.wanted ?? "all";
    if (isWorthThreads) this.#startThreads();
  }

  /** Searches once; the threads end with it. @throws what a thread threw */
  async run(table: ConnectionTable): Promise<FoundOwners> {
    const index = InodeIndex.of(table);
    if (this.#wanted === "deciding") index.noteKeepalive(table);
    const order: SearchOrder = {
      inodes: index.shared,
      rows: table.size,
      shares: this.#shares,
      next: new SharedArrayBuffer(4),
      wanted: this.#wanted,
    };
    const answers = this.#workers.map((worker) => answerOf(worker, order));
    const own = searchShares(this.#port, order);
    const owners = new OwnerTable(own.owners);
    let { hidden } = own;
    for (const answer of await Promise.all(answers)) {
      owners.merge(new OwnerTable(answer.owners));
      hidden += answer.hidden;
    }
    return { owners, hidden };
  }

  /** One beside this one for each processor. */
  #startThreads(): void {
    for (let i = 1; i < Math.min(MOST_THREADS, availableParallelism()); i++) {
      const worker = new Worker(THREAD);
      worker.unref(); // should the survey fail, nobody waits for it
      this.#workers.push(worker);
    }
  }
}

async function answerOf(worker: Worker, order: SearchOrder): Promise<SearchAnswer> {
  try {
    return await new Promise((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
      worker.ref();
      worker.postMessage(order);
    });
  } finally {
    void worker.terminate();
  }
}
