import type { PeerGroup } from "../core/judge/peer-groups.ts";
import type { TcpInfo } from "../core/tcp-info.ts";
import type { Instant } from "../core/time/instant.ts";
import { findLocalProxy } from "../kernel/netlink/local-proxy.ts";
import type { Endpoints } from "./handle.ts";
import { LookUpBudget } from "./look-up-budget.ts";

/**
 * Finds which connections end on this host although their peer is elsewhere. Searched only when a
 * program asks for a diagnosis, and where answers come fast enough for it; what is found is
 * remembered for a while, for all connections to the same address and port.
 */
export class LocalProxies {
  readonly #known: WeakMap<PeerGroup, Map<number, Known>> = new WeakMap();
  readonly #budget: LookUpBudget = new LookUpBudget(MOST_AT_ONCE, EACH_MS);

  /** Returns the socket of this host that answers in the peer's place; `null`: none is known. */
  find(group: PeerGroup, ends: Endpoints, info: TcpInfo | null, now: Instant): string | null {
    const { localAddress, localPort, remoteAddress, remotePort } = ends;
    if (!localAddress || !localPort || !remoteAddress || !remotePort) return null;
    if ((info?.minRttMs ?? info?.rttMs ?? Number.POSITIVE_INFINITY) >= SLOWEST_HERE_MS) return null;

    const byPort = this.#known.get(group) ?? new Map<number, Known>();
    const known = byPort.get(remotePort);
    if (known && now < known.until) return known.proxy;
    if (!this.#budget.take(now)) return known?.proxy ?? null;
    const proxy = findLocalProxy({ localAddress, localPort, remoteAddress });
    if (byPort.size >= MOST_PORTS) byPort.clear();
    byPort.set(remotePort, { proxy, until: now + REMEMBERED_MS });
    this.#known.set(group, byPort);
    return proxy;
  }
}

interface Known {
  readonly proxy: string | null;
  readonly until: Instant;
}

/** A round trip inside one host takes some 20 µs, and its least one less than this on any. */
const SLOWEST_HERE_MS = 1;
const REMEMBERED_MS = 10_000;
/** Ports of one peer that are remembered. */
const MOST_PORTS = 16;
/** A search took 5 ms where the kernel's table is large (6.18): a pause of 15 ms, then 1 %. */
const MOST_AT_ONCE = 3;
const EACH_MS = 500;

/** The proxies of this host that answer connections watched by this process. */
export const localProxies: LocalProxies = new LocalProxies();
