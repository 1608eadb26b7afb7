import { isPastHandshake } from "../core/tcp-info.ts";
import type { Instant } from "../core/time/instant.ts";
import type { SockDiag } from "../kernel/netlink/sock-diag.ts";
import { AF_INET, AF_INET6, type SockDiagId } from "../kernel/netlink/sock-diag-id.ts";
import { readTcpOpens } from "../kernel/system/tcp-opens.ts";
import { tcpStateBit } from "../kernel/tcp-info/state-linux.ts";
import type { ConnectionRow } from "../survey/connection-row.ts";
import type { ConnectionTable } from "../survey/connection-table.ts";
import { HANGING_STATES } from "../survey/survey.ts";

/**
 * Spares a guard of many network namespaces most of its listings. To list the sockets of one
 * namespace the kernel walks the hash table of all, once a family (net/ipv4/inet_diag.c): 13 ms a
 * walk on 6.18 with 24 GB, however few sockets there are.
 *
 * | since its last listing, in this namespace       | then                                    |
 * |-------------------------------------------------|-----------------------------------------|
 * | no connection was begun or accepted, none waits | those in the guard's care are looked up |
 * | any was                                         | all are listed                          |
 * | half a minute has passed                        | all are listed                          |
 *
 * Listening sockets are listed each time: they have a table of their own, which is small.
 */
export class Glances {
  readonly #options: GlancesOptions;
  readonly #last: Map<number, Listing> = new Map();
  readonly #listed: Set<number> = new Set();
  /** When each namespace was read in this survey: a survey of many takes a while. */
  readonly #readAt: Map<number, Instant> = new Map();
  #inCare: ReadonlyMap<number, readonly SockDiagId[]> = new Map();

  constructor(options: GlancesOptions) {
    this.#options = options;
  }

  /** Begins a survey. */
  begin(): void {
    this.#listed.clear();
    this.#readAt.clear();
    this.#inCare = this.#options.inCare();
  }

  /**
   * Looks the namespace's connections up, and adds them to the table. `false`: they must be listed.
   * Called inside the namespace.
   */
  glance(index: number, table: ConnectionTable, now: Instant): boolean {
    this.#readAt.set(index, now);
    const opens = (this.#options.readOpens ?? readTcpOpens)();
    const last = this.#last.get(index);
    const ids = this.#inCare.get(index) ?? [];
    const diag = this.#options.diagOf(index);
    const isSame = last !== undefined && opens !== null && last.opens === opens && last.isSettled;
    if (isSame && diag && now < last.until && ids.length <= MOST_LOOKED_UP) {
      addListeners(diag, index, table);
      for (const id of ids) addOne(diag, id, index, table);
      return true;
    }

    this.#listed.add(index);
    // Spread over time: listings of all namespaces in one survey would be felt as a stall.
    const phase = last ? 1 : 0.5 + (index % PHASES) / PHASES;
    this.#last.set(index, { opens, isSettled: true, until: now + phase * LISTED_EVERY_MS });
    return false;
  }

  /** Returns when a namespace was read; `null`: not in this survey. */
  readAt(index: number): Instant | null {
    return this.#readAt.get(index) ?? null;
  }

  /** Returns whether all sockets of a namespace were listed. */
  isListed(index: number): boolean {
    return this.#listed.has(index);
  }

  /** Ends a survey. */
  end(table: ConnectionTable, isThere: (index: number) => boolean): void {
    for (const row of table.rows()) {
      const last = this.#last.get(row.namespaceIndex);
      if (last && isWaiting(row)) last.isSettled = false;
    }
    for (const index of this.#last.keys()) if (!isThere(index)) this.#last.delete(index);
  }
}

export interface GlancesOptions {
  /** Returns the connections in the guard's care, by the index of their namespace. */
  readonly inCare: () => ReadonlyMap<number, readonly SockDiagId[]>;
  readonly diagOf: (namespaceIndex: number) => SockDiag | null;
  /** See {@link readTcpOpens}. */
  readonly readOpens?: () => number | null;
}

interface Listing {
  /** Before the listing; `null` when not known. */
  readonly opens: number | null;
  /** No connection was about to come into the guard's care without a further one being opened. */
  isSettled: boolean;
  /** The instant from which all are listed again. */
  readonly until: Instant;
}

/** A connection whose handshake is not over, or that no program has accepted yet. */
function isWaiting(row: ConnectionRow): boolean {
  if (row.state === "LISTEN") return false;
  if (!isPastHandshake(row.state)) return true;
  return row.inode === 0 && (row.state === "ESTABLISHED" || row.state === "CLOSE_WAIT");
}

function addListeners(diag: SockDiag, index: number, table: ConnectionTable): void {
  const states = tcpStateBit("LISTEN");
  for (const family of [AF_INET, AF_INET6] as const)
    diag.dump({ family, states, withInfo: true, filter: NO_FILTER }, (bytes, start, end) =>
      table.add(bytes, start, end, index),
    );
}

function addOne(diag: SockDiag, id: SockDiagId, index: number, table: ConnectionTable): void {
  const before = table.size;
  diag.lookup(id, (bytes, start, end) => table.add(bytes, start, end, index));
  // A listing leaves TIME_WAIT out, which a look-up finds.
  if (table.size > before && !HANGING_STATES.includes(table.row(before).state))
    table.truncate(before);
}

const NO_FILTER = Buffer.alloc(0);

/** What no number tells of is found after this time at the latest, ms: see {@link readTcpOpens}. */
const LISTED_EVERY_MS = 30_000;
const PHASES = 16;

/** A look-up takes 8 µs: from this many on, two walks are as cheap. */
const MOST_LOOKED_UP = 3000;
