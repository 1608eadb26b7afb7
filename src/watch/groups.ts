import type { OtherConnections } from "../core/diagnosis.ts";
import type { Instant } from "../core/instant.ts";

/** Connections to one peer address from one of our addresses, by number only: a connection costs no entry. */
export interface PeerGroup {
  readonly key: string;
  readonly route: RouteGroup;
  total: number;
  silent: number;
  /** When any connection of the group was last heard. */
  heardAt: Instant;
}

/** Peers reached from one of our addresses: as good as the same interface and next hop, and known without asking. */
interface RouteGroup {
  readonly key: string;
  peers: number;
  silentPeers: number;
  /** When a peer of the route was last heard, which one, and when any other one was. */
  heardAt: Instant;
  heardFrom: PeerGroup | null;
  othersHeardAt: Instant;
}

const NEVER: Instant = Number.NEGATIVE_INFINITY;
const peers = new Map<string, PeerGroup>();
const routes = new Map<string, RouteGroup>();

export function joinGroup(localAddress: string, remoteAddress: string): PeerGroup {
  const key = `${localAddress} ${remoteAddress}`;
  let group = peers.get(key);
  if (!group) {
    const route = routes.get(localAddress) ?? {
      key: localAddress,
      peers: 0,
      silentPeers: 0,
      heardAt: NEVER,
      heardFrom: null,
      othersHeardAt: NEVER,
    };
    routes.set(localAddress, route);
    route.peers++;
    group = { key, route, total: 0, silent: 0, heardAt: NEVER };
    peers.set(key, group);
  }
  change(group, 1, 0);
  return group;
}

export function leaveGroup(group: PeerGroup, wasSilent: boolean): void {
  change(group, -1, wasSilent ? -1 : 0);
  if (group.total > 0) return;
  peers.delete(group.key);
  if (group.route.heardFrom === group) group.route.heardFrom = null;
  if (--group.route.peers === 0) routes.delete(group.route.key);
}

export function markSilent(group: PeerGroup, isSilent: boolean): void {
  change(group, 0, isSilent ? 1 : -1);
}

export function heardInGroup(group: PeerGroup, at: Instant): void {
  if (at <= group.heardAt) return;
  group.heardAt = at;
  const { route } = group;
  if (at <= route.heardAt) return;
  if (route.heardFrom !== group) route.othersHeardAt = route.heardAt;
  route.heardAt = at;
  route.heardFrom = group;
}

/**
 * What the others say, seen from one connection of the group; `null` when there are none. Others count as alive only when one of
 * them was heard after `since`, the first attempt that stayed unanswered here: before, they prove nothing.
 */
export function othersOf(group: PeerGroup, isSilent: boolean, since: Instant): OtherConnections | null {
  const silent = group.silent - (isSilent ? 1 : 0);
  const { route } = group;
  const otherPeers = route.peers - 1;
  if (group.total - 1 + otherPeers === 0) return null;
  const silentPeers = route.silentPeers - (isGroupSilent(group) ? 1 : 0);
  const othersHeardAt = route.heardFrom === group ? route.othersHeardAt : route.heardAt;
  return {
    samePeer: { alive: group.heardAt > since ? group.total - 1 - silent : 0, silent },
    sameRoute: { alive: othersHeardAt > since ? otherPeers - silentPeers : 0, silent: silentPeers },
  };
}

function change(group: PeerGroup, total: number, silent: number): void {
  const before = isGroupSilent(group);
  group.total += total;
  group.silent += silent;
  const after = isGroupSilent(group);
  if (before !== after) group.route.silentPeers += after ? 1 : -1;
}

function isGroupSilent(group: PeerGroup): boolean {
  return group.total > 0 && group.silent === group.total;
}
