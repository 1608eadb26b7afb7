import { BACKSTOP_BUDGETS, backstopProbes, givesUpAfterMs, rtoCapMs } from "../core/backstop.ts";
import { type AppliedKeepalive, applyKeepalive, isSameKeepalive, readKeepalive } from "../kernel/keepalive.ts";
import { nudgeDescriptor } from "../kernel/nudge.ts";
import { readRetries } from "../kernel/retries.ts";
import { applyRtoMax, readRtoMax } from "../kernel/rto-max.ts";
import { applyUserTimeout, readUserTimeout } from "../kernel/user-timeout.ts";
import type { Applied } from "./applied.ts";
import { shareEqual } from "./share-equal.ts";

const NO_CAP =
  "no TCP_RTO_MAX_MS (Linux >= 6.15, and tcp_retries2 not lowered): a peer that dies behind a closed window is found after two to three times the time it was blocked";

const UNCAPPED =
  "the program ended its side, so the cap on backoff is taken off for the last data: a peer that dies behind a closed window is found after two to three times the time it was blocked";

/** What most connections have in common is kept once. */
const sharedSaved: (saved: Saved) => Saved = shareEqual();
const sharedKeepalive: (keepalive: AppliedKeepalive) => AppliedKeepalive = shareEqual();
const sharedTerms: (terms: Terms) => Terms = shareEqual();
const sharedStanding: (standing: Standing) => Standing = shareEqual();

/** What the connection is held to. */
interface Terms {
  readonly budgetMs: number;
  readonly rtoMaxMs: number | null;
  /** The cap was there and was taken off: {@link Standing.uncap}. */
  readonly isUncapped: boolean;
  /** The user timeout that is set while data is in flight with an open window; 0 where the RTO cap makes it needless. */
  readonly inFlightUserTimeoutMs: number;
  /** The backoff beyond which the kernel does not double its timeout. */
  readonly lastBackoff: number;
}

interface Saved {
  readonly keepalive: AppliedKeepalive;
  readonly userTimeoutMs: number;
  readonly rtoMaxMs: number | null;
}

/**
 * The kernel options that keep evidence fresh and stand in when this process cannot act: a keepalive with short idle, loose
 * count and no user timeout (with one set the count would protect nothing, kernel.md), and a cap on retransmission backoff.
 *
 * How they stand does not change: what sets an option of the connection `fd` returns how they stand then. So thousands of connections share one.
 */
export class Standing {
  readonly terms: Terms;
  readonly saved: Saved;
  readonly keepalive: AppliedKeepalive;
  readonly hasUserTimeout: boolean;

  private constructor({ terms, saved, keepalive, hasUserTimeout }: Pick<Standing, "terms" | "saved" | "keepalive" | "hasUserTimeout">) {
    this.terms = terms;
    this.saved = saved;
    this.keepalive = keepalive;
    this.hasUserTimeout = hasUserTimeout;
  }

  /** Notes how the options stand, for {@link restore}, and sets all but the keepalive. */
  static on(fd: number, budgetMs: number, zeroWindowToleranceMs: number): Standing {
    const keepalive = sharedKeepalive(readKeepalive(fd));
    const saved = sharedSaved({ keepalive, userTimeoutMs: readUserTimeout(fd), rtoMaxMs: readRtoMax(fd) });
    const rtoMaxMs = applyCap(fd, budgetMs);
    const inFlightUserTimeoutMs = rtoMaxMs === null ? Math.max(zeroWindowToleranceMs, BACKSTOP_BUDGETS * budgetMs) : 0;
    const terms = sharedTerms({ budgetMs, rtoMaxMs, isUncapped: false, inFlightUserTimeoutMs, lastBackoff: readRetries().tcpRetries2 });
    if (saved.userTimeoutMs !== 0) applyUserTimeout(fd, 0);
    return sharedStanding(new Standing({ terms, saved, keepalive, hasUserTimeout: false }));
  }

  /** Switches the standing keepalive on; the kernel probes after a silence of `idleMs`. */
  start(fd: number, idleMs: number): Standing {
    return this.#withKeepalive(applyKeepalive(fd, { enabled: true, idleMs, ...backstopProbes(this.terms.budgetMs, idleMs) }));
  }

  describe(): Applied {
    const { rtoMaxMs, isUncapped, budgetMs, inFlightUserTimeoutMs } = this.terms;
    const { idleMs, intervalMs, count } = this.keepalive;
    const capMs = rtoMaxMs ?? this.saved.rtoMaxMs;
    const givesUpMs =
      capMs === null || inFlightUserTimeoutMs > 0 ? inFlightUserTimeoutMs : givesUpAfterMs(capMs, readRetries().tcpRetries2);
    return {
      level: "kernel",
      keepalive: { idleMs, intervalMs, count },
      userTimeoutMs: inFlightUserTimeoutMs,
      rtoMaxMs,
      detectWithinMs: { idle: budgetMs, inFlight: budgetMs, closedWindow: rtoMaxMs === null ? null : budgetMs },
      backstopMs: { idle: idleMs + intervalMs * count, inFlight: givesUpMs },
      notes: rtoMaxMs !== null ? [] : [isUncapped ? UNCAPPED : NO_CAP],
    };
  }

  /** Follows the probe plan, and puts right what a program changed behind our back; what it set is what {@link restore} leaves. */
  keepIdle(fd: number, idleMs: number, isProbeMissing: boolean): Standing {
    if (idleMs === this.keepalive.idleMs && !isProbeMissing) return this;
    const standing = isProbeMissing ? this.#adoptForeign(fd) : this;
    return standing.#withKeepalive(applyKeepalive(fd, { ...this.keepalive, enabled: true, idleMs }));
  }

  /** Sends a probe now; TCP_KEEPIDLE stays at 1 s until the peer answered and {@link keepIdle} restores the routine. */
  nudge(fd: number): Standing {
    nudgeDescriptor(fd);
    return this.#withKeepalive({ ...this.keepalive, idleMs: 1000 });
  }

  /** The user timeout guards data in flight behind an open window only: at a closed one it would end a live peer (kernel.md). */
  guardInFlight(fd: number, isInFlight: boolean): Standing {
    const { inFlightUserTimeoutMs } = this.terms;
    if (inFlightUserTimeoutMs === 0 || isInFlight === this.hasUserTimeout) return this;
    applyUserTimeout(fd, isInFlight ? inFlightUserTimeoutMs : 0);
    return sharedStanding(new Standing({ ...this, hasUserTimeout: isInFlight }));
  }

  /**
   * Takes the cap on backoff back. Of a closed socket whose backoff has reached its cap the kernel gives up the rest at once
   * (tcp_timer.c, tcp_orphan_retries): with ours an outage of 2 s would lose the last data and the FIN.
   */
  uncap(fd: number): Standing {
    const { rtoMaxMs } = this.saved;
    if (rtoMaxMs === null || this.terms.rtoMaxMs === null) return this;
    applyRtoMax(fd, rtoMaxMs);
    return sharedStanding(new Standing({ ...this, terms: sharedTerms({ ...this.terms, rtoMaxMs: null, isUncapped: true }) }));
  }

  restore(fd: number): void {
    const { keepalive, userTimeoutMs } = this.#adoptForeign(fd).saved;
    if (keepalive.enabled) applyKeepalive(fd, keepalive);
    else applyKeepalive(fd, { ...keepalive, enabled: false });
    applyUserTimeout(fd, userTimeoutMs);
    this.uncap(fd);
  }

  /** libuv and clients set keepalive on their own; what differs from what we left there is theirs, and theirs again when the watch ends. */
  #adoptForeign(fd: number): Standing {
    const keepalive = readKeepalive(fd);
    if (isSameKeepalive(keepalive, this.keepalive)) return this;
    return sharedStanding(new Standing({ ...this, saved: sharedSaved({ ...this.saved, keepalive: sharedKeepalive(keepalive) }) }));
  }

  #withKeepalive(keepalive: AppliedKeepalive): Standing {
    return sharedStanding(new Standing({ ...this, keepalive: sharedKeepalive(keepalive) }));
  }
}

/** `null` where the kernel has no such option, or the cap is better left alone. */
function applyCap(fd: number, budgetMs: number): number | null {
  const capMs = rtoCapMs(budgetMs, readRetries().tcpRetries2);
  return capMs === null ? null : applyRtoMax(fd, capMs);
}
