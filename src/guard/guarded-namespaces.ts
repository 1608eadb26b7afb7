import { PeerGroups } from "../core/judge/peer-groups.ts";
import type { Instant } from "../core/time/instant.ts";
import { type NetworkNamespace, namespaceLabel } from "../kernel/netlink/network-namespace.ts";
import { type BrakeSettings, MassDeathBrake, type PeerCount } from "./mass-death-brake.ts";
import { Standings } from "./standings.ts";

/** One network namespace, with what a guard counts of the connections in it. */
export interface GuardedNamespace {
  readonly index: number;
  /** As the audit shows it; `null`: the guard's own. */
  readonly name: string | null;
  /** One address may mean another host in each namespace, so each has peers of its own. */
  readonly groups: PeerGroups;
  readonly standings: Standings;
  readonly brake: MassDeathBrake;
  /**
   * Sockets that no rule covers, by cookie, with the survey that saw them last: the next one does
   * not ask about them again.
   */
  readonly ignored: Map<number, number>;
}

/**
 * The network namespaces under a guard. Two brakes keep it from ending connections: one for each
 * namespace, whose own network may be at fault, and one for the machine.
 */
export class GuardedNamespaces {
  readonly #world: NamespacesOf;
  readonly #brakes: BrakeSettings;
  readonly #known: Map<number, GuardedNamespace> = new Map();
  readonly #machine: MassDeathBrake;
  #counted: PeerCount = { peers: 0, silentPeers: 0 };
  #countedAt: Instant = Number.NEGATIVE_INFINITY;

  constructor(world: NamespacesOf, brakes: BrakeSettings) {
    this.#world = world;
    this.#brakes = brakes;
    this.#machine = new MassDeathBrake(brakes);
  }

  of(index: number): GuardedNamespace {
    let namespace = this.#known.get(index);
    if (!namespace) {
      const found = this.#world.namespaceOf(index);
      namespace = {
        index,
        name: found && namespaceLabel(found),
        groups: new PeerGroups(),
        standings: new Standings(() => this.#world.retries2(index)),
        brake: new MassDeathBrake(this.#brakes),
        ignored: new Map(),
      };
      this.#known.set(index, namespace);
    }
    return namespace;
  }

  /** All that are known. */
  get all(): Iterable<GuardedNamespace> {
    return this.#known.values();
  }

  /** Forgets the namespaces for which `isThere` returns false. */
  keepOnly(isThere: (index: number) => boolean): void {
    for (const index of this.#known.keys()) if (!isThere(index)) this.#known.delete(index);
  }

  /** Peers of all namespaces, and how many of them are silent. */
  get counts(): PeerCount & { readonly isHolding: boolean } {
    let [peers, silentPeers] = [0, 0];
    let isHolding = this.#machine.since !== null;
    for (const { groups, brake } of this.#known.values()) {
      peers += groups.size;
      silentPeers += groups.silent;
      isHolding ||= brake.since !== null;
    }
    return { peers, silentPeers, isHolding };
  }

  /** Keeps the brakes up to date while nothing is about to end. */
  watch(now: Instant): void {
    for (const namespace of this.#known.values()) this.whyHeld(namespace, now);
  }

  /**
   * Returns why nothing in the namespace may be ended now: most of its peers, or of the machine's,
   * are silent at once. `null`: it may.
   */
  whyHeld({ name, groups, brake }: GuardedNamespace, now: Instant): string | null {
    const own = { peers: groups.size, silentPeers: groups.silent };
    const all = this.#known.size === 1 ? own : this.#countAll(now);
    const isHeldHere = brake.holds(now, own);
    const isHeldEverywhere = this.#machine.holds(now, all);
    if (isHeldHere)
      return `${countText(own)}${name === null ? "" : ` of ${name}`} are silent at once`;
    return isHeldEverywhere ? `${countText(all)} of all namespaces are silent at once` : null;
  }

  /** See {@link MassDeathBrake.isTainted}. */
  isTainted({ brake }: GuardedNamespace, since: Instant): boolean {
    return brake.isTainted(since) || this.#machine.isTainted(since);
  }

  /**
   * Counts the peers of the machine by address. The database that all containers use is one peer:
   * its death is no fault of this host.
   */
  #countAll(now: Instant): PeerCount {
    if (now - this.#countedAt < COUNT_EVERY_MS) return this.#counted;
    const silence = new Map<string, boolean>();
    for (const { groups } of this.#known.values()) groups.addTo(silence);

    let silentPeers = 0;
    for (const isSilent of silence.values()) if (isSilent) silentPeers++;
    this.#countedAt = now;
    this.#counted = { peers: silence.size, silentPeers };
    return this.#counted;
  }
}

/** The part of a guard's world that knows its namespaces. */
export interface NamespacesOf {
  namespaceOf(namespaceIndex: number): NetworkNamespace | null;
  retries2(namespaceIndex: number): number;
}

/** Thousands of checks may ask in one second of an outage. */
const COUNT_EVERY_MS = 100;

function countText({ peers, silentPeers }: PeerCount): string {
  return `${silentPeers} of ${peers} peers`;
}
