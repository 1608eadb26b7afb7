import type { TcpState } from "../core/tcp-info.ts";
import type { Condition } from "../kernel/netlink/sock-diag-filter.ts";
import type { Cidr } from "./cidr.ts";
import type { ConnectionRow } from "./connection-row.ts";

/**
 * Selects connections. Each list means "one of", an empty list matches everything, and all lists
 * must match.
 */
export interface ConnectionFilter {
  readonly pids: readonly number[];
  /** Process names as the kernel has them, compared whole. */
  readonly processes: readonly string[];
  /** Either end. */
  readonly ports: readonly number[];
  readonly localPorts: readonly number[];
  readonly remotePorts: readonly number[];
  readonly peers: readonly Cidr[];
  readonly states: readonly TcpState[];
  readonly userIds: readonly number[];
}

export const MATCH_ALL: ConnectionFilter = {
  pids: [],
  processes: [],
  ports: [],
  localPorts: [],
  remotePorts: [],
  peers: [],
  states: [],
  userIds: [],
};

/** Returns the part of the filter that the kernel can check while it lists sockets. */
export function kernelConditions(filter: ConnectionFilter): Condition[][] {
  return [
    filter.ports.flatMap((port) => [{ localPort: port }, { remotePort: port }]),
    filter.localPorts.map((localPort) => ({ localPort })),
    filter.remotePorts.map((remotePort) => ({ remotePort })),
    filter.peers.map((peer) => ({ remoteHost: peer.condition })),
  ];
}

/** Checks everything that the row itself shows. {@link matchesOwner} checks the owner. */
export function matchesRow(filter: ConnectionFilter, row: ConnectionRow): boolean {
  const { ports, localPorts, remotePorts, peers, states, userIds } = filter;
  if (states.length > 0 && !states.includes(row.state)) return false;
  if (userIds.length > 0 && !userIds.includes(row.userId)) return false;
  if (ports.length > 0 && !ports.includes(row.localPort) && !ports.includes(row.remotePort))
    return false;
  if (localPorts.length > 0 && !localPorts.includes(row.localPort)) return false;
  if (remotePorts.length > 0 && !remotePorts.includes(row.remotePort)) return false;
  return peers.length === 0 || peers.some((peer) => peer.contains(row.remoteBytes));
}

/** True when the owner decides too, so that owners must be searched. */
export function needsOwner(filter: ConnectionFilter): boolean {
  return filter.pids.length > 0 || filter.processes.length > 0;
}

/** Checks the owner: its pid, and the process's name. `null` matches no list that is not empty. */
export function matchesOwner(
  filter: ConnectionFilter,
  pid: number | null,
  process: string | null,
): boolean {
  if (filter.pids.length > 0 && (pid === null || !filter.pids.includes(pid))) return false;
  return filter.processes.length === 0 || (process !== null && filter.processes.includes(process));
}
