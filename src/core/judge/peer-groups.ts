import type { OtherConnections } from "../diagnosis.ts";
import type { Instant } from "../time/instant.ts";
import { LossBelief } from "./loss-belief.ts";
import type { Queue, SharedQueues } from "./path-delay.ts";
import { PeerMemory } from "./peer-memory.ts";

/**
 * The connections from one of our addresses to one peer address. They are only counted: a
 * connection costs no entry.
 */
export interface PeerGroup extends Heard, SharedQueues {
  readonly route: RouteGroup;
  readonly remoteAddress: string;
  total: number;
  silent: number;
  /** The belief about the path to the peer, shared by all connections to it. */
  readonly loss: LossBelief;
  /** A short round trip is already part of the belief. */
  isMet: boolean;
  /** Connections found dead since the peer was last heard: gone, but still evidence. */
  died: number;
  /** Remote port of the connection that last was seen to answer keepalive probes; 0: none. */
  answersFrom: number;
}

/**
 * The peers reached from one of our addresses. That is as good as the same interface and next hop,
 * and needs no call of the kernel.
 */
export interface RouteGroup extends Heard {
  readonly localAddress: string;
  readonly peers: Map<string, PeerGroup>;
  /** Connections of all peers. */
  total: number;
  silentPeers: number;
  /** The belief about what all peers together lose: our own side of the path. */
  readonly loss: LossBelief;
  /** The peer that was last heard, and when any other peer was. */
  heardFrom: PeerGroup | null;
  othersHeardAt: Instant;
}

/** When connections that belong together were heard. */
interface Heard extends Queue {
  /** When any of them was last heard. */
  heardAt: Instant;
  /** The last gap in which none was heard. All losses in it are due to one outage. */
  gapFrom: Instant;
  gapTo: Instant;
  /** That outage was recorded already. */
  isGapLearned: boolean;
}

const NEVER: Instant = Number.NEGATIVE_INFINITY;
/** A shorter time in which nothing is heard is no gap. */
const SHORTEST_GAP_MS = 400;

/**
 * Counts connections by peer and by our own address, so that the silence of one can be compared
 * with the others.
 */
export class PeerGroups {
  readonly #routes: Map<string, RouteGroup> = new Map();
  readonly #memory: PeerMemory = new PeerMemory();

  /** The number of peers. */
  get size(): number {
    let size = 0;
    for (const route of this.#routes.values()) size += route.peers.size;
    return size;
  }

  /** The number of peers that are silent on all their connections. */
  get silent(): number {
    let silent = 0;
    for (const route of this.#routes.values()) silent += route.silentPeers;
    return silent;
  }

  /**
   * Adds each peer's address, with whether the peer is silent on all connections: those counted
   * here and those entered before.
   */
  addTo(silence: Map<string, boolean>): void {
    for (const { peers } of this.#routes.values())
      for (const [address, group] of peers)
        silence.set(address, isGroupSilent(group) && silence.get(address) !== false);
  }

  join(localAddress: string, remoteAddress: string): PeerGroup {
    const route = this.#routeOf(localAddress);
    let group = route.peers.get(remoteAddress);
    if (!group) {
      const known = this.#memory.of(remoteAddress);
      const loss = known?.loss ?? new LossBelief();
      group = {
        ...unheard(),
        route,
        remoteAddress,
        total: 0,
        silent: 0,
        died: 0,
        loss,
        isMet: known?.loss != null,
        answersFrom: known?.answersFrom ?? 0,
        isOvertaken: false,
        lateUntil: NEVER,
      };
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
    this.#memory.keep(group);
    if (route.heardFrom === group) route.heardFrom = null;
    if (route.peers.size === 0) this.#routes.delete(route.localAddress);
  }

  #routeOf(localAddress: string): RouteGroup {
    let route = this.#routes.get(localAddress);
    if (!route) {
      route = {
        ...unheard(),
        localAddress,
        peers: new Map(),
        total: 0,
        silentPeers: 0,
        loss: new LossBelief(),
        heardFrom: null,
        othersHeardAt: NEVER,
      };
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
  hear(group, at);
  group.died = 0;
  const { route } = group;
  if (at <= route.heardAt) return;
  if (route.heardFrom !== group) route.othersHeardAt = route.heardAt;
  hear(route, at);
  route.heardFrom = group;
}

/**
 * Returns whether another connection to this peer was seen to answer keepalive probes.
 *
 * The port must be the same too. Many hosts may share one address, like the phones of a carrier or
 * the machines of a site, and one says nothing about the others. Connections that they make differ
 * by port. Connections of ours to one port are believed to meet the same host, or others of its
 * kind.
 */
export function peerAnswers(group: PeerGroup, remotePort: number): boolean {
  return remotePort !== 0 && group.answersFrom === remotePort;
}

function unheard(): Heard {
  return {
    heardAt: NEVER,
    gapFrom: NEVER,
    gapTo: NEVER,
    isGapLearned: false,
    answeredTo: NEVER,
    lateMs: 0,
  };
}

function hear(heard: Heard, at: Instant): void {
  if (at - heard.heardAt >= SHORTEST_GAP_MS) {
    heard.gapFrom = heard.heardAt;
    heard.gapTo = at;
    heard.isGapLearned = false;
  }
  heard.heardAt = at;
}

/**
 * Returns how the other connections are, seen from one connection of the group; `null` when there
 * are none. Others count as alive only when one of them was heard after `since`, the first attempt
 * that stayed unanswered here. What was heard before proves nothing.
 */
export function othersOf(
  group: PeerGroup,
  isSilent: boolean,
  since: Instant,
): OtherConnections | null {
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
  group.route.total += total;
  group.silent += silent;
  const after = isGroupSilent(group);
  if (before !== after) group.route.silentPeers += after ? 1 : -1;
}

function isGroupSilent(group: PeerGroup): boolean {
  return group.total > 0 && group.silent === group.total;
}
