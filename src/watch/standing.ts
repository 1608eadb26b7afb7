import { BACKSTOP_BUDGETS, backstopProbes, givesUpAfterMs, rtoCapMs } from "../core/backstop.ts";
import { type AppliedKeepalive, applyKeepalive, readKeepalive } from "../kernel/keepalive.ts";
import { nudgeDescriptor } from "../kernel/nudge.ts";
import { readRetries } from "../kernel/retries.ts";
import { applyRtoMax, readRtoMax } from "../kernel/rto-max.ts";
import { applyUserTimeout, readUserTimeout } from "../kernel/user-timeout.ts";
import type { Applied } from "./applied.ts";
import { shareEqual } from "./share-equal.ts";

const NO_CAP =
  "no TCP_RTO_MAX_MS (Linux >= 6.15, and tcp_retries2 not lowered): a peer that dies behind a closed window is found after two to three times the time it was blocked";

/** What most connections have in common is kept once. */
const sharedSaved: (saved: Saved) => Saved = shareEqual();
const sharedFound: (keepalive: AppliedKeepalive) => AppliedKeepalive = shareEqual();
const sharedApplied: (keepalive: AppliedKeepalive) => AppliedKeepalive = shareEqual();

const sharedTerms: (terms: Terms) => Terms = shareEqual();

/** What the connection is held to. */
interface Terms {
  readonly budgetMs: number;
  readonly rtoMaxMs: number | null;
  /** The user timeout that is set while data is in flight with an open window; 0 where the RTO cap makes it needless. */
  readonly inFlightUserTimeoutMs: number;
}

interface Saved {
  readonly keepalive: AppliedKeepalive;
  readonly userTimeoutMs: number;
  readonly rtoMaxMs: number | null;
}

/**
 * The kernel options that keep evidence fresh and stand in when this process cannot act: a keepalive with short idle, loose
 * count and no user timeout (with one set the count would protect nothing, kernel.md), and a cap on retransmission backoff.
 */
export class Standing {
  readonly fd: number;
  readonly terms: Terms;
  #saved: Saved;
  #keepalive: AppliedKeepalive;
  #hasUserTimeout = false;

  constructor(fd: number, budgetMs: number, zeroWindowToleranceMs: number) {
    this.fd = fd;
    this.#keepalive = sharedFound(readKeepalive(fd));
    this.#saved = sharedSaved({ keepalive: this.#keepalive, userTimeoutMs: readUserTimeout(fd), rtoMaxMs: readRtoMax(fd) });
    const rtoMaxMs = applyCap(fd, budgetMs);
    const inFlightUserTimeoutMs = rtoMaxMs === null ? Math.max(zeroWindowToleranceMs, BACKSTOP_BUDGETS * budgetMs) : 0;
    this.terms = sharedTerms({ budgetMs, rtoMaxMs, inFlightUserTimeoutMs });
    if (this.#saved.userTimeoutMs !== 0) applyUserTimeout(fd, 0);
  }

  /** Silence after which the kernel probes. */
  get idleMs(): number {
    return this.#keepalive.idleMs;
  }

  /** Switches the standing keepalive on. */
  start(idleMs: number): void {
    this.#keepalive = sharedApplied(applyKeepalive(this.fd, { enabled: true, idleMs, ...backstopProbes(this.terms.budgetMs, idleMs) }));
  }

  describe(): Applied {
    const { rtoMaxMs, budgetMs, inFlightUserTimeoutMs } = this.terms;
    const { idleMs, intervalMs, count } = this.#keepalive;
    const givesUpMs = rtoMaxMs === null ? inFlightUserTimeoutMs : givesUpAfterMs(rtoMaxMs, readRetries().tcpRetries2);
    return {
      level: "kernel",
      keepalive: { idleMs, intervalMs, count },
      userTimeoutMs: inFlightUserTimeoutMs,
      rtoMaxMs,
      detectWithinMs: { idle: budgetMs, inFlight: budgetMs, closedWindow: rtoMaxMs === null ? null : budgetMs },
      backstopMs: { idle: idleMs + intervalMs * count, inFlight: givesUpMs },
      notes: rtoMaxMs === null ? [NO_CAP] : [],
    };
  }

  /** Follows the probe plan, and puts right what a program changed behind our back; what it set is what {@link restore} leaves. */
  keepIdle(idleMs: number, isProbeMissing: boolean): void {
    if (idleMs === this.#keepalive.idleMs && !isProbeMissing) return;
    if (isProbeMissing) this.#adoptForeign();
    this.#keepalive = sharedApplied(applyKeepalive(this.fd, { ...this.#keepalive, enabled: true, idleMs }));
  }

  /** Sends a probe now; TCP_KEEPIDLE stays at 1 s until the peer answered and {@link keepIdle} restores the routine. */
  nudge(): void {
    nudgeDescriptor(this.fd);
    this.#keepalive = { ...this.#keepalive, idleMs: 1000 };
  }

  /** The user timeout guards data in flight behind an open window only: at a closed one it would end a live peer (kernel.md). */
  guardInFlight(isInFlight: boolean): void {
    const { inFlightUserTimeoutMs } = this.terms;
    if (inFlightUserTimeoutMs === 0 || isInFlight === this.#hasUserTimeout) return;
    this.#hasUserTimeout = isInFlight;
    applyUserTimeout(this.fd, isInFlight ? inFlightUserTimeoutMs : 0);
  }

  #adoptForeign(): void {
    const keepalive = readKeepalive(this.fd);
    if (!isOurs(keepalive, this.#keepalive)) this.#saved = { ...this.#saved, keepalive };
  }

  /**
   * Takes the cap on backoff back. Of a closed socket whose backoff has reached its cap the kernel gives up the rest at once
   * (tcp_timer.c, tcp_orphan_retries): with ours an outage of 2 s would lose the last data and the FIN.
   */
  uncap(): void {
    const { rtoMaxMs } = this.#saved;
    if (rtoMaxMs !== null) applyRtoMax(this.fd, rtoMaxMs);
  }

  restore(): void {
    this.#adoptForeign();
    const { keepalive, userTimeoutMs } = this.#saved;
    if (keepalive.enabled) applyKeepalive(this.fd, keepalive);
    else applyKeepalive(this.fd, { ...keepalive, enabled: false });
    applyUserTimeout(this.fd, userTimeoutMs);
    this.uncap();
  }
}

/** libuv and clients set keepalive on their own; what differs from what we left there is theirs, and theirs again when the watch ends. */
function isOurs(now: AppliedKeepalive, ours: AppliedKeepalive): boolean {
  return now.enabled && now.idleMs === ours.idleMs && now.intervalMs === ours.intervalMs && now.count === ours.count;
}

/** `null` where the kernel has no such option, or the cap is better left alone. */
function applyCap(fd: number, budgetMs: number): number | null {
  const capMs = rtoCapMs(budgetMs, readRetries().tcpRetries2);
  return capMs === null ? null : applyRtoMax(fd, capMs);
}
