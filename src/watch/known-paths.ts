import type { LocalPath } from "../core/diagnosis.ts";
import type { PeerGroup } from "../core/judge/peer-groups.ts";
import { heardAgeMs } from "../core/judge/reading.ts";
import type { TcpInfo } from "../core/tcp-info.ts";
import type { Instant } from "../core/time/instant.ts";
import { examineLocalPath, type PathOf, routeSelectorsOf } from "../kernel/netlink/local-path.ts";
import {
  areSelectorsSame,
  NO_SELECTORS,
  type RouteSelectors,
} from "../kernel/netlink/route-selectors.ts";
import type { Endpoints } from "./handle.ts";
import { LookUpBudget } from "./look-up-budget.ts";
import type { Membership } from "./membership.ts";

/**
 * Examines this host's paths to the peers, and remembers for each peer whether the path was in
 * order while the peer answered. Only a fault that is new is evidence: a look-up that named no
 * route for a connection that works does not see the route that the connection takes.
 */
export class KnownPaths {
  readonly #known: WeakMap<PeerGroup, KnownPath> = new WeakMap();
  readonly #budget: LookUpBudget = new LookUpBudget(MOST_AT_ONCE, EACH_MS);

  /**
   * What happened: the first check of a connection. The path to its peer is examined once for all
   * connections to it, as long as not too many new peers come at once.
   */
  met({ group, endpoints }: Membership, { fd, judged, info }: Met, now: Instant): void {
    const of = bothEnds(endpoints);
    if (!of || judged.unanswered > 0 || this.#known.has(group) || !this.#budget.take(now)) return;
    const by = routeSelectorsOf(fd, of);
    const wasInOrder = by && isInOrder(examineLocalPath({ ...of, by }));
    // A fault that was there before, of a peer that may be gone already, is no false one.
    if (wasInOrder === false && !(info && (heardAgeMs(info) ?? Infinity) < JUST_HEARD_MS)) return;
    this.#known.set(group, { by, wasInOrder });
  }

  /** Returns the path as it is now; `null` if nothing can be known. `fd` -1: a closed socket. */
  now(group: PeerGroup | null, endpoints: Endpoints, fd: number): LocalPath | null {
    const of = bothEnds(endpoints);
    if (!of) return null;
    const known = group && this.#known.get(group);
    const by = fd >= 0 ? routeSelectorsOf(fd, of) : known ? known.by : NO_SELECTORS;
    if (!by) return null;
    const wasSame = known?.by && areSelectorsSame(known.by, by);
    return { ...examineLocalPath({ ...of, by }), wasInOrder: wasSame ? known.wasInOrder : null };
  }
}

/** A path as it was while the peer answered. */
interface KnownPath {
  /** What the connection's look-up selects by; `null`: it belongs to another namespace. */
  readonly by: RouteSelectors | null;
  readonly wasInOrder: boolean | null;
}

/** The host check of a connection, after its first reading. */
interface Met {
  readonly fd: number;
  readonly judged: { readonly unanswered: number };
  readonly info: TcpInfo | null;
}

function bothEnds({
  localAddress,
  remoteAddress,
  localPort,
  remotePort,
}: Endpoints): PathOf | null {
  if (!localAddress || !remoteAddress) return null;
  return { localAddress, remoteAddress, localPort, remotePort };
}

function isInOrder({ hasRoute, linkUp, hasSourceAddress }: LocalPath): boolean {
  return hasRoute !== false && linkUp !== false && hasSourceAddress !== false;
}

/** A peer heard this lately was there when its path was examined. */
const JUST_HEARD_MS = 500;

/** A look-up takes some 50 µs, so a hundred at once are a pause of 5 ms, and 20/s take 0.1 %. */
const MOST_AT_ONCE = 100;
const EACH_MS = 50;

/** The paths to the peers of all connections that this process watches. */
export const knownPaths: KnownPaths = new KnownPaths();
