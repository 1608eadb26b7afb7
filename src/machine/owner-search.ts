import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { OptionsWanted } from "../kernel/connection-options.ts";
import type { DescriptorSweep } from "../kernel/descriptor-sweep.ts";
import type { SystemPort } from "../kernel/port.ts";
import type { SweptSockets } from "../kernel/swept-sockets.ts";
import type { ConnectionTable } from "./connection-table.ts";
import { cutShares, type DescriptorShare } from "./descriptor-share.ts";
import { InodeIndex } from "./inode-index.ts";
import { OwnerTable } from "./owner-table.ts";
import { listPids } from "./owners.ts";
import { type SearchAnswer, type SearchOrder, searchShares } from "./search-shares.ts";
import { enterSwept } from "./swept-owners.ts";

/**
 * Descriptors beside those of the largest process. A thread costs some 80 ms of processor time until it is of use, in which 10,000 are
 * searched without one.
 */
const WORTH_A_THREAD = 10_000;
const MOST_THREADS = 4;
/**
 * Descriptors of all processes, or where the kernel (< 6.2) does not tell their number, sockets. A sweep takes 15 ms before its first socket and 1 µs a
 * descriptor, a search 5: with 2,000 sockets whole audits took 172 and 182 ms of processor time, with 3,000 187 and 211, with 6,000 205 and 250.
 */
const WORTH_A_SWEEP = 3000;

/** The threads' program as it was built; also when this file runs from the sources, as in tests, or as a part of cli/audit.js. */
const THREAD = new URL(
  import.meta.url.includes("/src/") ? "../../dist/machine/owner-search-thread.js" : "../machine/owner-search-thread.js",
  import.meta.url,
);

export interface SearchOptions {
  readonly wanted?: OptionsWanted;
  /** Where to look, default everywhere. */
  readonly pids?: readonly number[];
  /** What tells of all processes at once; the caller closes it. Default: descriptors are looked at one by one. */
  readonly sweep?: DescriptorSweep | null;
  /** From how many descriptors on threads help. */
  readonly worthAThread?: number;
  /** From how many on a sweep does. */
  readonly worthASweep?: number;
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
  readonly #descriptors: number;
  readonly #port: SystemPort;
  readonly #wanted: OptionsWanted;
  readonly #workers: Worker[] = [];
  readonly #threads: number;
  readonly #sweep: DescriptorSweep | null;
  readonly #worthASweep: number;

  constructor(port: SystemPort, options: SearchOptions = {}) {
    const { shares, descriptors, largest } = cutShares(options.pids ?? listPids());
    const isWorthThreads = descriptors - largest >= (options.worthAThread ?? WORTH_A_THREAD);
    this.#port = port;
    this.#shares = shares;
    this.#descriptors = descriptors;
    this.#wanted = options.wanted ?? "all";
    this.#threads = isWorthThreads ? Math.min(MOST_THREADS, availableParallelism()) : 1;
    this.#sweep = options.pids ? null : (options.sweep ?? null);
    this.#worthASweep = options.worthASweep ?? WORTH_A_SWEEP;
    if (descriptors < this.#worthASweep || !this.#sweep?.prepare()) this.#startThreads();
  }

  /** Searches once; the threads end with it. @throws what a thread threw */
  async run(table: ConnectionTable): Promise<FoundOwners> {
    const index = InodeIndex.of(table);
    const swept = this.#runSweep(table.size);
    if (swept) {
      const owners = OwnerTable.ofSize(table.size);
      enterSwept(swept, index, owners, this.#wanted);
      return { owners, hidden: 0 };
    }
    this.#startThreads(); // not yet where a sweep was to make them needless
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

  /** What the preparation no longer needs, for the survey; once. */
  spareMemory(): ArrayBuffer | null {
    return this.#sweep?.spareMemory() ?? null;
  }

  /** Where the kernel does not tell how many descriptors there are, the survey shows that there are many. */
  #runSweep(sockets: number): SweptSockets | null {
    const isWorthIt = this.#workers.length === 0 && Math.max(this.#descriptors, sockets) >= this.#worthASweep;
    return isWorthIt && this.#sweep ? this.#sweep.run() : null;
  }

  /** Unless they run. */
  #startThreads(): void {
    for (let i = this.#workers.length + 1; i < this.#threads; i++) {
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
