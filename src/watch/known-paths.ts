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
  readonly #known: WeakMap<PeerGroup, KnownPath[]> = new WeakMap();
  readonly #lately: WeakMap<PeerGroup, { at: Instant; isBroken: boolean }> = new WeakMap();
  readonly #budget: LookUpBudget = new LookUpBudget(MOST_AT_ONCE, EACH_MS);

  /**
   * What happened: the first check of a connection. The path is examined once for all connections
   * between the same addresses that select their route alike, as long as not too many come at once.
   */
  met({ group, endpoints }: Membership, { fd, judged, info }: Met, now: Instant): void {
    const of = bothEnds(endpoints);
    if (!of || judged.unanswered > 0) return;
    const by = routeSelectorsOf(fd, of);
    const known = this.#known.get(group) ?? [];
    if (known.length >= MOST_KINDS || known.some((one) => areSelectorsSame(one.by, by))) return;
    if (!this.#budget.take(now)) return;

    const wasInOrder = isInOrder(examineLocalPath({ ...of, by }));
    // A fault that was there before, of a peer that may be gone already, is no false one.
    const heardForMs = (info && heardAgeMs(info)) ?? Number.POSITIVE_INFINITY;
    if (wasInOrder === false && heardForMs > JUST_HEARD_MS) return;
    this.#known.set(group, [...known, { by, wasInOrder }]);
  }

  /** Returns the path as it is now; `null` if nothing can be known. `fd` -1: a closed socket. */
  now(group: PeerGroup | null, endpoints: Endpoints, fd: number): LocalPath | null {
    const of = bothEnds(endpoints);
    if (!of) return null;
    const known = (group && this.#known.get(group)) ?? [];
    // How a closed socket selected its route is known if all to its peer did so alike.
    if (fd < 0 && known.length > 1) return null;
    const by = fd < 0 ? (known[0]?.by ?? NO_SELECTORS) : routeSelectorsOf(fd, of);
    const same = known.find((one) => areSelectorsSame(one.by, by));
    return { ...examineLocalPath({ ...of, by }), wasInOrder: same?.wasInOrder ?? null };
  }

  /**
   * Returns whether the path was in order, as far as is known, and is not any more. When many
   * connections to one peer ask at once, it is looked up for one of them.
   */
  isBroken({ group, endpoints }: Membership, fd: number, now: Instant): boolean {
    const lately = this.#lately.get(group);
    const areAlike = (this.#known.get(group)?.length ?? 0) <= 1;
    if (lately && areAlike && now - lately.at < AT_ONCE_MS) return lately.isBroken;
    const path = this.now(group, endpoints, fd);
    const isBroken = path !== null && path.wasInOrder !== false && isInOrder(path) === false;
    this.#lately.set(group, { at: now, isBroken });
    return isBroken;
  }
}

/** A path as it was while the peer answered. */
interface KnownPath {
  /** What the connection's look-up selects by. */
  readonly by: RouteSelectors;
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

/** `null`: nothing is known. */
function isInOrder({ hasRoute, linkUp, hasSourceAddress }: LocalPath): boolean | null {
  if (hasRoute === null) return null;
  return hasRoute !== false && linkUp !== false && hasSourceAddress !== false;
}

/** A peer heard this lately was there when its path was examined. */
const JUST_HEARD_MS = 500;

/** Connections to one peer that select their routes in more ways are not compared. */
const MOST_KINDS = 4;

/** Two ticks of the engine. */
const AT_ONCE_MS = 20;

/** A look-up takes some 80 µs, so fifty at once are a pause of 4 ms, and 20/s take 0.2 %. */
const MOST_AT_ONCE = 50;
const EACH_MS = 50;

/** The paths to the peers of all connections that this process watches. */
export const knownPaths: KnownPaths = new KnownPaths();
