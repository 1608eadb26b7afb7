import { backstopProbes, LOOSEST_COUNT, rtoCapMs } from "../../core/judge/backstop.ts";
import type { Judgement } from "../../core/judge/judgement.ts";
import type { Flow } from "../../core/judge/reading.ts";
import type { TcpInfo } from "../../core/tcp-info.ts";
import { NUDGE_IDLE_MS, nudgeDescriptor, settledOptions } from "../../kernel/nudge.ts";
import type { AppliedKeepalive } from "../../kernel/options/applied-keepalive.ts";
import {
  applyOptions,
  applyTimeoutInFlight,
  type ConnectionOptions,
  patientWith,
  readOptions,
} from "../../kernel/options/connection-options.ts";
import { applyKeepalive, isSameKeepalive } from "../../kernel/options/keepalive.ts";
import { restoreOptions } from "../../kernel/options/late-restore.ts";
import { applyRtoMax } from "../../kernel/options/rto-max.ts";
import { applyUserTimeout } from "../../kernel/options/user-timeout.ts";
import type { WatchSettings } from "../settings.ts";
import { shareEqual } from "./share-equal.ts";
import { isRepeating, type Terms, termsFor, withCap } from "./terms.ts";

/**
 * The kernel options that keep evidence fresh and stand in when this process cannot act: a
 * keepalive with short idle, loose count and no user timeout (with one set the count would protect
 * nothing: docs/internals/kernel.md#keepalive), and a cap on retransmission backoff.
 *
 * Immutable: a method that sets an option of the connection `fd` returns the new Standing. So
 * thousands of connections share one object.
 */
export class Standing {
  readonly terms: Terms;
  /** The options that the program had. */
  readonly saved: ConnectionOptions;
  readonly keepalive: AppliedKeepalive;
  readonly hasUserTimeout: boolean;
  /** The flow in which the kernel was made patient again; `null`: it was not. */
  readonly yieldedIn: Flow | null;

  private constructor({
    terms,
    saved,
    keepalive,
    hasUserTimeout,
    yieldedIn,
  }: Pick<Standing, "terms" | "saved" | "keepalive" | "hasUserTimeout" | "yieldedIn">) {
    this.terms = terms;
    this.saved = saved;
    this.keepalive = keepalive;
    this.hasUserTimeout = hasUserTimeout;
    this.yieldedIn = yieldedIn;
  }

  /** Saves the program's options for {@link restore}, and sets all of ours but the keepalive. */
  static on(fd: number, settings: WatchSettings): Standing {
    const own = settledOptions(fd);
    const keepalive = sharedKeepalive(own.keepalive);
    return Standing.#begin(fd, settings, sharedSaved({ ...own, keepalive }), keepalive);
  }

  /** Returns the Standing of the same connection under other settings. */
  again(fd: number, settings: WatchSettings): Standing {
    const { saved, keepalive } = this.#adoptForeign(fd);
    return Standing.#begin(fd, settings, saved, keepalive);
  }

  static #begin(
    fd: number,
    settings: WatchSettings,
    saved: ConnectionOptions,
    keepalive: AppliedKeepalive,
  ): Standing {
    const terms = sharedTerms(termsFor(fd, settings, saved));
    if (saved.userTimeoutMs !== 0) applyUserTimeout(fd, 0);
    return sharedStanding(
      new Standing({ terms, saved, keepalive, hasUserTimeout: false, yieldedIn: null }),
    );
  }

  /** Switches the standing keepalive on; the kernel probes after a silence of `idleMs`. */
  start(fd: number, idleMs: number): Standing {
    const { budgetMs, isReport, longestIdleMs, rtoMaxMs } = this.terms;
    const patience = isReport
      ? { intervalMs: REPORT_INTERVAL_MS, count: LOOSEST_COUNT }
      : backstopProbes(budgetMs, longestIdleMs);
    const before = readOptions(fd);
    const wanted = {
      ...before,
      keepalive: { enabled: true, idleMs, ...patience },
      rtoMaxMs: rtoMaxMs ?? before.rtoMaxMs,
    };
    return sharedStanding(new Standing({ ...this, yieldedIn: null })).#withKeepalive(
      applyOptions(fd, before, wanted).keepalive,
    );
  }

  /**
   * Makes the kernel as patient as without a watch: a peer that need not answer probes must not be
   * ended for that. The program's own keepalive is restored and left alone; if it had none, only
   * {@link nudge} probes on. Behind a closed window the cap on backoff goes back too, because it
   * would use up the kernel's probes soon.
   */
  #yield(fd: number, flow: Flow): Standing {
    if (this.yieldedIn === flow) return this;
    const before = readOptions(fd);
    const ours = { ...before, keepalive: { ...this.keepalive, enabled: true } };
    const wanted = patientWith(this.saved, ours, flow);
    const { keepalive } = applyOptions(fd, before, wanted);
    return sharedStanding(new Standing({ ...this, yieldedIn: flow })).#withKeepalive(keepalive);
  }

  /** True while the program's own keepalive probes: our probes must not use up its count. */
  get isLeftToProgram(): boolean {
    return this.yieldedIn !== null && this.saved.keepalive.enabled;
  }

  /**
   * Applies what a judgement wants of the options, and adapts the cap to the path of its reading.
   */
  follow(fd: number, { info, flow, wants, isUnproven, isOverdue, lateMs }: Judgement): Standing {
    let next = this.#followPath(fd, info).guardInFlight(fd, flow === "in-flight");
    if (wants.keepalive !== "leave")
      next = next.keepIdle(fd, wants.idleMs, wants.keepalive === "again");
    // Probes whose answers are on their way must not use up the count.
    if (lateMs > 0 && next.yieldedIn === null && next.keepalive.count < LOOSEST_COUNT)
      next = next.#withKeepalive(applyKeepalive(fd, { ...next.keepalive, count: LOOSEST_COUNT }));

    // The kernel ends a connection with a closed window after a number of probes. A tight cap only
    // makes that sooner.
    if (isUnproven && (isOverdue || flow === "blocked")) return next.#yield(fd, flow);
    return next.yieldedIn === null ? next : next.start(fd, wants.idleMs);
  }

  /**
   * Sets the idle time of the probe plan. If a probe is missing, also sets again what a program
   * changed meanwhile; {@link restore} leaves what the program set.
   */
  keepIdle(fd: number, idleMs: number, isProbeMissing: boolean): Standing {
    if (idleMs === this.keepalive.idleMs && !isProbeMissing) return this;
    const standing = isProbeMissing ? this.#adoptForeign(fd) : this;
    return standing.#withKeepalive(
      applyKeepalive(fd, { ...this.keepalive, enabled: true, idleMs }),
    );
  }

  /**
   * Sends a probe now; TCP_KEEPIDLE stays at 1 s until the peer answered and {@link keepIdle}
   * restores the routine.
   */
  nudge(fd: number): Standing {
    nudgeDescriptor(fd);
    return this.#withKeepalive({ ...this.keepalive, idleMs: NUDGE_IDLE_MS });
  }

  /**
   * Sets the user timeout while data is in flight behind an open window, and only then: at a closed
   * one it would end a live peer (docs/internals/kernel.md#user-timeout).
   */
  guardInFlight(fd: number, isInFlight: boolean): Standing {
    const { inFlightUserTimeoutMs: timeoutMs } = this.terms;
    const hasUserTimeout = isInFlight && timeoutMs > 0;
    if (hasUserTimeout === this.hasUserTimeout) return this;
    if (hasUserTimeout) applyTimeoutInFlight(fd, timeoutMs);
    else applyUserTimeout(fd, 0);
    return sharedStanding(new Standing({ ...this, hasUserTimeout }));
  }

  /**
   * Adapts the cap on backoff to the path, but not while anything is repeated (see {@link
   * applyCap}).
   */
  #followPath(fd: number, info: TcpInfo): Standing {
    const { rtoMaxMs, budgetMs, isReport, isUncapped } = this.terms;
    if (isReport || isUncapped || this.saved.rtoMaxMs === null || isRepeating(info)) return this;
    const wantedMs = rtoCapMs(budgetMs, info);
    if (rtoMaxMs !== null && Math.max(rtoMaxMs / wantedMs, wantedMs / rtoMaxMs) < CAP_CHANGE)
      return this;
    return sharedStanding(
      new Standing({ ...this, terms: sharedTerms(withCap(this.terms, applyRtoMax(fd, wantedMs))) }),
    );
  }

  /**
   * Takes the cap on backoff off. If the backoff of a closed socket has reached its cap, the kernel
   * gives up the rest at once (tcp_timer.c, tcp_orphan_retries): with ours an outage of 2 s would
   * lose the last data and the FIN.
   */
  uncap(fd: number): Standing {
    const { rtoMaxMs } = this.saved;
    if (rtoMaxMs === null || this.terms.rtoMaxMs === null) return this;
    applyRtoMax(fd, Math.max(rtoMaxMs, this.terms.rtoMaxMs));
    return sharedStanding(
      new Standing({
        ...this,
        terms: sharedTerms({ ...this.terms, rtoMaxMs: null, isUncapped: true }),
      }),
    );
  }

  /**
   * Restores the program's options: now as far as the connection bears them, the rest once the peer
   * is heard. `isOpen`: see {@link restoreOptions}.
   */
  restore(fd: number, isOpen: () => boolean): void {
    restoreOptions(fd, this.#adoptForeign(fd).saved, isOpen);
  }

  /**
   * Adopts a keepalive that libuv or a client has set meanwhile. Values that differ from ours are
   * theirs, and are restored when the watch ends.
   */
  #adoptForeign(fd: number): Standing {
    const { keepalive } = settledOptions(fd);
    if (this.#isOurs(keepalive)) return this;
    return sharedStanding(
      new Standing({
        ...this,
        saved: sharedSaved({ ...this.saved, keepalive: sharedKeepalive(keepalive) }),
      }),
    );
  }

  /**
   * Returns whether this keepalive is ours. Another process that nudged the peer may have left the
   * idle time short, and the count looser by the unanswered probes.
   */
  #isOurs({ enabled, idleMs, intervalMs, count }: AppliedKeepalive): boolean {
    const ours = this.keepalive;
    if (enabled !== ours.enabled || intervalMs !== ours.intervalMs) return false;
    return enabled
      ? (idleMs === ours.idleMs || idleMs === NUDGE_IDLE_MS) && count >= ours.count
      : isSameKeepalive(ours, { ...ours, idleMs, count });
  }

  #withKeepalive(keepalive: AppliedKeepalive): Standing {
    return sharedStanding(new Standing({ ...this, keepalive: sharedKeepalive(keepalive) }));
  }
}

/** Interval of probes with `onDead: "report"`: the kernel takes more than an hour to give up. */
const REPORT_INTERVAL_MS = 30_000;

/** The cap on backoff is set again when it should differ by this factor. */
const CAP_CHANGE = 1.2;

/** Values that most connections have in common are kept once. */
const sharedSaved: (saved: ConnectionOptions) => ConnectionOptions = shareEqual();
const sharedKeepalive: (keepalive: AppliedKeepalive) => AppliedKeepalive = shareEqual();
const sharedTerms: (terms: Terms) => Terms = shareEqual();
const sharedStanding: (standing: Standing) => Standing = shareEqual();
