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
import { RecentCookies } from "./recent-cookies.ts";

const FAMILIES: readonly Family[] = [AF_INET, AF_INET6];
/**
 * An interrupted dump is begun anew this often; then what there is must do, and the survey says so.
 */
const MOST_RESTARTS = 4;

/** What a survey looks for. */
export interface SurveyRequest {
  readonly states: readonly TcpState[];
  readonly withInfo: boolean;
  /**
   * All groups must match, one condition of each; see {@link compileFilter}. A hint to the kernel:
   * callers filter again.
   */
  readonly filter: readonly (readonly Condition[])[];
  readonly allNamespaces: boolean;
}

export interface Survey {
  readonly table: ConnectionTable;
  /**
   * By the index that each row carries. Of several surveys with one list, an index means the same
   * namespace in all of them.
   */
  readonly namespaces: readonly NetworkNamespace[];
  /** What could not be seen, in words. */
  readonly problems: readonly string[];
}

/**
 * States in which a dead peer can leave a connection hanging. The others end by themselves, or have
 * no peer.
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
 * `known` is the list of namespaces of earlier surveys; it grows.
 *
 * @throws HalfOpenError `ERR_NOT_SUPPORTED`, `ERR_PERMISSION` when not even the own namespace can
 * be seen
 */
export function takeSurvey(
  port: SystemPort,
  request: SurveyRequest,
  known: NetworkNamespace[] = [],
): Survey {
  const table = new ConnectionTable();
  const problems: string[] = [];
  for (const namespace of request.allNamespaces ? listNamespaces() : [ownNamespace()]) {
    const index = indexOf(namespace, known);
    try {
      insideNamespace(port, namespace, () => surveyHere(port, request, table, index, problems));
    } catch (error) {
      if (namespace.isOwn || !(error instanceof HalfOpenError)) throw error;
      problems.push(error.message);
    }
  }
  if (table.malformed > 0)
    problems.push(`${table.malformed} answers of the kernel were malformed and left out`);
  return { table, namespaces: [...known], problems };
}

/**
 * The process that led to a namespace may have ended while another one still lives in it: the
 * newest way in counts.
 */
function indexOf(namespace: NetworkNamespace, known: NetworkNamespace[]): number {
  const index = known.findIndex(({ inode }) => inode === namespace.inode);
  if (index < 0) return known.push(namespace) - 1;
  known[index] = namespace;
  return index;
}

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
    const into = (bytes: Buffer, start: number, end: number): void =>
      table.add(bytes, start, end, index);
    let errno = dumpWithRestarts(port, wanted, table, into, problems);
    // An old kernel may not know an op of the filter; whoever asked filters again anyhow.
    if (errno === EINVAL && wanted.filter.length > 0) {
      errno = dumpWithRestarts(port, { ...wanted, filter: Buffer.alloc(0) }, table, into, problems);
    }
    if (errno === ENOENT && family === AF_INET6) continue; // a kernel without IPv6
    if (errno !== 0)
      throw new HalfOpenError(
        "ERR_NOT_SUPPORTED",
        `the kernel did not list its TCP sockets (sock_diag): errno ${errno}`,
      );
  }
}

function dumpWithRestarts(
  port: SystemPort,
  wanted: Parameters<SockDiag["dump"]>[0],
  table: ConnectionTable,
  into: Parameters<SockDiag["dump"]>[1],
  problems: string[],
): number {
  const before = table.size;
  for (let restarts = 0; ; restarts++) {
    // A fresh socket each time: an abandoned dump would leave its answers in the old one.
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
        if (!recent.isRepeated(bytes, start, end)) into(bytes, start, end);
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
        "the kernel's socket table changed under every listing: single connections may be missing or listed twice",
      );
      return 0;
    }
    table.truncate(before);
  }
}
