import type { OtherConnections } from "./diagnosis.ts";
import type { Instant } from "./instant.ts";

/** Connections to one peer address from one of our addresses, by number only: a connection costs no entry. */
export interface PeerGroup {
  readonly route: RouteGroup;
  readonly remoteAddress: string;
  total: number;
  silent: number;
  /** When any connection of the group was last heard. */
  heardAt: Instant;
  /** Connections that were found dead since then. They are gone, yet they still testify. */
  died: number;
}

/** Peers reached from one of our addresses: as good as the same interface and next hop, and known without asking. */
interface RouteGroup {
  readonly localAddress: string;
  readonly peers: Map<string, PeerGroup>;
  silentPeers: number;
  /** When a peer of the route was last heard, which one, and when any other one was. */
  heardAt: Instant;
  heardFrom: PeerGroup | null;
  othersHeardAt: Instant;
}

const NEVER: Instant = Number.NEGATIVE_INFINITY;

/** Counts connections by peer and by our own address, so that the silence of one can be weighed against the others'. */
export class PeerGroups {
  readonly #routes: Map<string, RouteGroup> = new Map();

  /** How many peers there are. */
  get size(): number {
    let size = 0;
    for (const route of this.#routes.values()) size += route.peers.size;
    return size;
  }

  /** How many of them are silent on all their connections. */
  get silent(): number {
    let silent = 0;
    for (const route of this.#routes.values()) silent += route.silentPeers;
    return silent;
  }

  join(localAddress: string, remoteAddress: string): PeerGroup {
    const route = this.#routeOf(localAddress);
    let group = route.peers.get(remoteAddress);
    if (!group) {
      group = { route, remoteAddress, total: 0, silent: 0, heardAt: NEVER, died: 0 };
      route.peers.set(remoteAddress, group);
    }
    change(group, 1, 0);
    return group;
  }

  leave(group: PeerGroup, wasSilent: boolean, isDead = false): void {
    if (isDead) group.died++;
    change(group, -1, wasSilent ? -1 : 0);
    if (group.total > 0) return;
    const { route } = group;
    route.peers.delete(group.remoteAddress);
    if (route.heardFrom === group) route.heardFrom = null;
    if (route.peers.size === 0) this.#routes.delete(route.localAddress);
  }

  #routeOf(localAddress: string): RouteGroup {
    let route = this.#routes.get(localAddress);
    if (!route) {
      route = { localAddress, peers: new Map(), silentPeers: 0, heardAt: NEVER, heardFrom: null, othersHeardAt: NEVER };
      this.#routes.set(localAddress, route);
    }
    return route;
  }
}

export function markSilent(group: PeerGroup, isSilent: boolean): void {
  change(group, 0, isSilent ? 1 : -1);
}

export function heardInGroup(group: PeerGroup, at: Instant): void {
  if (at <= group.heardAt) return;
  group.heardAt = at;
  group.died = 0;
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
  const stillSilent = group.silent - (isSilent ? 1 : 0);
  const silent = stillSilent + group.died;
  const { route } = group;
  const otherPeers = route.peers.size - 1;
  if (group.total - 1 + group.died + otherPeers === 0) return null;
  const silentPeers = route.silentPeers - (isGroupSilent(group) ? 1 : 0);
  const othersHeardAt = route.heardFrom === group ? route.othersHeardAt : route.heardAt;
  return {
    samePeer: { alive: group.heardAt > since ? group.total - 1 - stillSilent : 0, silent },
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
