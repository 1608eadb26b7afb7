import { HalfOpenError } from "../core/errors.ts";
import type { TcpState } from "../core/tcp-info.ts";
import {
  insideNamespace,
  listNamespaces,
  type NetworkNamespace,
  ownNamespace,
} from "../kernel/netlink/network-namespace.ts";
import { SockDiag } from "../kernel/netlink/sock-diag.ts";
import { type Condition, compileFilter } from "../kernel/netlink/sock-diag-filter.ts";
import { AF_INET, AF_INET6, type Family } from "../kernel/netlink/sock-diag-id.ts";
import { EINVAL, ENOENT, errnoText } from "../kernel/port/errno-linux.ts";
import type { SystemPort } from "../kernel/port/port.ts";
import { tcpStateBit } from "../kernel/tcp-info/state-linux.ts";
import { ConnectionTable } from "./connection-table.ts";
import { KnownNamespaces } from "./known-namespaces.ts";
import { RecentCookies } from "./recent-cookies.ts";

/** The sockets that a survey lists. */
export interface SurveyRequest {
  readonly states: readonly TcpState[];
  readonly withInfo: boolean;
  /**
   * In every group one condition must match; see {@link compileFilter}. A hint to the kernel, which
   * may ignore it: callers filter again.
   */
  readonly filter: readonly (readonly Condition[])[];
  readonly allNamespaces: boolean;
  /**
   * Called inside each namespace before its sockets are listed. `true`: it has added what is wanted
   * of them, and nothing is listed. Default: all are.
   */
  readonly glance?: (index: number, table: ConnectionTable) => boolean;
}

export interface Survey {
  readonly table: ConnectionTable;
  /**
   * By the index that each row carries. An index means the same namespace in all surveys that share
   * `known`.
   */
  readonly namespaces: ReadonlyMap<number, NetworkNamespace>;
  /** Sentences about parts of the machine that could not be seen. */
  readonly problems: readonly string[];
}

/**
 * States in which a connection can hang on a dead peer. In the other states it ends by itself, or
 * has no peer.
 */
export const HANGING_STATES: readonly TcpState[] = [
  "ESTABLISHED",
  "SYN_SENT",
  "FIN_WAIT1",
  "FIN_WAIT2",
  "CLOSE_WAIT",
  "LAST_ACK",
  "CLOSING",
];

/**
 * Lists the machine's TCP sockets. Blocks for about 2 µs a socket.
 * `known` has the namespaces of earlier surveys.
 *
 * @throws HalfOpenError `ERR_NOT_SUPPORTED`, `ERR_PERMISSION` when not even our own namespace can
 * be seen
 */
export function takeSurvey(
  port: SystemPort,
  request: SurveyRequest,
  known: KnownNamespaces = new KnownNamespaces(),
): Survey {
  const table = new ConnectionTable();
  const problems: string[] = [];
  const refusals: HalfOpenError[] = [];

  const listed = request.allNamespaces ? listNamespaces() : [ownNamespace()];
  for (const [index, namespace] of known.meet(listed)) {
    try {
      insideNamespace(port, namespace, () => {
        if (!request.glance?.(index, table)) surveyHere(port, request, table, index, problems);
      });
    } catch (error) {
      if (namespace.isOwn || !(error instanceof HalfOpenError)) throw error;
      if (!isGone(error)) refusals.push(error);
    }
  }

  const [first] = refusals;
  if (first)
    problems.push(
      `network namespaces could not be seen (${refusals.length} of ${listed.length}): ${first.message}`,
    );
  if (table.malformed > 0)
    problems.push(`${table.malformed} malformed answers of the kernel were left out`);
  return { table, namespaces: known.all, problems };
}

/** Containers end at any time, also between the list of namespaces and the visit. */
function isGone({ cause }: HalfOpenError): boolean {
  return (cause as NodeJS.ErrnoException | undefined)?.code === "ENOENT";
}

/** Lists both families of the namespace that this thread is in. */
function surveyHere(
  port: SystemPort,
  request: SurveyRequest,
  table: ConnectionTable,
  index: number,
  problems: string[],
): void {
  const states = request.states.reduce((mask, state) => mask | tcpStateBit(state), 0);
  for (const family of FAMILIES) {
    const wanted = {
      family,
      states,
      withInfo: request.withInfo,
      filter: compileFilter(request.filter),
    };
    const addRow = (bytes: Buffer, start: number, end: number): void =>
      table.add(bytes, start, end, index);

    let errno = dumpWithRestarts(port, wanted, table, addRow, problems);
    // An old kernel may not know an op of the filter. Without a filter it lists more, and callers
    // filter again anyhow.
    if (errno === EINVAL && wanted.filter.length > 0) {
      errno = dumpWithRestarts(
        port,
        { ...wanted, filter: Buffer.alloc(0) },
        table,
        addRow,
        problems,
      );
    }

    if (errno === ENOENT && family === AF_INET6) continue; // a kernel without IPv6
    if (errno !== 0)
      throw new HalfOpenError(
        "ERR_NOT_SUPPORTED",
        `the kernel did not list its TCP sockets (sock_diag): ${errnoText(errno)}`,
      );
  }
}

/** Lists one family. Returns 0, or the errno with which the kernel refused. */
function dumpWithRestarts(
  port: SystemPort,
  wanted: Parameters<SockDiag["dump"]>[0],
  table: ConnectionTable,
  addRow: Parameters<SockDiag["dump"]>[1],
  problems: string[],
): number {
  const before = table.size;
  for (let restarts = 0; ; restarts++) {
    // A fresh socket each time: the old one still holds answers of the abandoned dump.
    const diag = SockDiag.open(port);
    if (typeof diag === "number")
      throw new HalfOpenError(
        "ERR_NOT_SUPPORTED",
        `the system refuses netlink: ${errnoText(-diag)}`,
      );

    const recent = new RecentCookies();
    const outcome = diag.dump(
      wanted,
      (bytes, start, end) => {
        if (!recent.isRepeated(bytes, start, end)) addRow(bytes, start, end);
      },
      (bytes) => table.room(bytes),
    );
    diag.close();

    if (outcome.errno !== 0) {
      table.truncate(before);
      return outcome.errno;
    }
    if (!outcome.isInterrupted) return 0;

    if (restarts === MOST_RESTARTS) {
      problems.push(
        "the kernel's socket table changed during every listing: single connections may be missing or listed twice",
      );
      return 0;
    }
    table.truncate(before);
  }
}

const FAMILIES: readonly Family[] = [AF_INET, AF_INET6];

/**
 * An interrupted dump is repeated this often. Then the survey keeps the last one and reports a
 * problem.
 */
const MOST_RESTARTS = 4;
