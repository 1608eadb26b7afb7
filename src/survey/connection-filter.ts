import type { TcpState } from "../core/tcp-info.ts";
import type { NetworkNamespace } from "../kernel/netlink/network-namespace.ts";
import type { Condition } from "../kernel/netlink/sock-diag-filter.ts";
import type { CgroupPattern } from "./cgroup.ts";
import type { Cidr } from "./cidr.ts";
import type { ConnectionRow } from "./connection-row.ts";
import type { SocketOwner } from "./owners.ts";

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
  /** Control groups of the owner. */
  readonly cgroups: readonly CgroupPattern[];
  /** Network namespaces, by name or by inode number. */
  readonly namespaces: readonly string[];
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
  cgroups: [],
  namespaces: [],
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

/** Checks the network namespace that the row was listed in. */
export function matchesNamespace(
  { namespaces }: ConnectionFilter,
  namespace: NetworkNamespace | null,
): boolean {
  if (namespaces.length === 0) return true;
  if (namespace === null) return false;
  const { name, inode } = namespace;
  return namespaces.includes(String(inode)) || (name !== null && namespaces.includes(name));
}

/** True when the owner decides too, so that owners must be searched. */
export function needsOwner(filter: ConnectionFilter): boolean {
  return filter.pids.length > 0 || filter.processes.length > 0 || filter.cgroups.length > 0;
}

/** Checks the process that holds the socket. `null` matches no list that is not empty. */
export function matchesOwner(filter: ConnectionFilter, owner: SocketOwner | null): boolean {
  const { pids, processes, cgroups } = filter;
  if (pids.length > 0 && (owner === null || !pids.includes(owner.pid))) return false;
  const name = owner?.process ?? null;
  if (processes.length > 0 && (name === null || !processes.includes(name))) return false;
  const cgroup = owner?.cgroup ?? null;
  return cgroups.length === 0 || (cgroup !== null && cgroups.some((it) => it.matches(cgroup)));
}
