import { HalfOpenError } from "../../core/errors.ts";
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
  LOOSEST_PATIENCE,
  patientWith,
  readOptions,
} from "../../kernel/options/connection-options.ts";
import { applyKeepalive } from "../../kernel/options/keepalive.ts";
import { restoreOptions } from "../../kernel/options/late-restore.ts";
import { applyRtoMax } from "../../kernel/options/rto-max.ts";
import { applyUserTimeout } from "../../kernel/options/user-timeout.ts";
import type { WatchSettings } from "../settings.ts";
import { ownOptionsIn } from "./own-options.ts";
import { shareEqual } from "./share-equal.ts";
import { isRepeating, type Terms, termsFor, withCap } from "./terms.ts";

/**
 * The kernel options that keep evidence fresh and stand in when this process cannot act: a
 * keepalive with short idle and loose count, and a cap on retransmission backoff. A user timeout is
 * set only where the kernel would else give up data in flight too soon (see {@link guard}).
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

  /** Saves the program's options for {@link restore}, and sets the cap on backoff. */
  static on(fd: number, settings: WatchSettings): Standing {
    const own = settledOptions(fd);
    const keepalive = sharedKeepalive(own.keepalive);
    return Standing.#begin(fd, settings, sharedSaved({ ...own, keepalive }), keepalive);
  }

  /** Returns the Standing of the same connection under other settings. */
  again(fd: number, settings: WatchSettings): Standing {
    const { saved, keepalive } = this.#adoptForeign(fd);
    const begun = Standing.#begin(fd, settings, saved, keepalive);
    return this.terms.isUncapped ? begun.uncap(fd) : begun;
  }

  static #begin(
    fd: number,
    settings: WatchSettings,
    saved: ConnectionOptions,
    keepalive: AppliedKeepalive,
  ): Standing {
    const terms = sharedTerms(termsFor(fd, settings, saved));
    return sharedStanding(
      new Standing({ terms, saved, keepalive, hasUserTimeout: false, yieldedIn: null }),
    );
  }

  /**
   * Switches the standing keepalive on; the kernel probes after a silence of `idleMs`. With
   * `onDead: "report"` it probes once, then on demand only, and never reaches its count.
   */
  start(fd: number, idleMs: number): Standing {
    const { budgetMs, isReport, isHasty, longestIdleMs, rtoMaxMs } = this.terms;
    const patience = isReport ? LOOSEST_PATIENCE : backstopProbes(budgetMs, longestIdleMs);
    const before = readOptions(fd);
    const wanted = {
      keepalive: { enabled: true, idleMs, ...patience },
      userTimeoutMs: isHasty ? this.terms.inFlightUserTimeoutMs : 0,
      rtoMaxMs: rtoMaxMs ?? (isReport ? this.saved : before).rtoMaxMs,
    };
    const applied = applyOptions(fd, before, wanted);
    // A cap that the connection does not bear yet is set by a later check.
    return this.#holding(applied, applied.rtoMaxMs === wanted.rtoMaxMs ? null : this.yieldedIn);
  }

  /**
   * Makes the kernel as patient as without a watch: a peer that need not answer probes, or that
   * large segments do not reach, must not be ended for that. The program's own keepalive is
   * restored and left alone; if it had none, only {@link nudge} probes on. With data to send the
   * cap on backoff goes back too, because it would use up the kernel's attempts soon.
   */
  #yield(fd: number, flow: Flow): Standing {
    if (this.yieldedIn === flow) return this;
    const before = readOptions(fd);
    const ours = { ...before, keepalive: { ...this.keepalive, enabled: true } };
    const wanted = patientWith(this.saved, ours, flow);
    return this.#holding(applyOptions(fd, before, wanted), flow);
  }

  /** True while the program's own keepalive probes: our probes must not use up its count. */
  get isLeftToProgram(): boolean {
    return this.yieldedIn !== null && this.saved.keepalive.enabled;
  }

  /**
   * Applies what a judgement wants of the options, and adapts the cap to the path of its reading.
   */
  follow(fd: number, { info, flow, wants, isUnproven, isOverdue, lateMs }: Judgement): Standing {
    let next = this.#followPath(fd, info).guard(fd, flow, !isUnproven);
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
    // With a user timeout of the program's own a probe could end the connection.
    if (standing.saved !== this.saved && !this.hasUserTimeout) applyUserTimeout(fd, 0);
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
   * Sets the user timeout while data is in flight behind an open window, and takes it off
   * otherwise: at a closed window it would end a live peer
   * (docs/internals/kernel.md#user-timeout). Where the kernel could give up before the next check,
   * it also stands while idle, for the data to come. `mayTimeOut`: the silence proves something.
   */
  guard(fd: number, flow: Flow, mayTimeOut: boolean = true): Standing {
    const { inFlightUserTimeoutMs: timeoutMs, isHasty } = this.terms;
    const stands = isHasty && flow === "idle" && this.yieldedIn === null;
    const isInFlight = flow === "in-flight" && mayTimeOut;
    const hasUserTimeout = timeoutMs > 0 && (isInFlight || stands);
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

  /** Restores the program's options, see {@link restoreOptions}. */
  restore(fd: number, isOpen: () => boolean): void {
    restoreOptions(fd, this.#adoptForeign(fd).saved, isOpen);
  }

  /** Restores the options after the kernel refused one, as far as it takes them. */
  undo(fd: number): void {
    try {
      restoreOptions(fd, this.saved, () => false);
    } catch (error) {
      if (!(error instanceof HalfOpenError)) throw error;
    }
  }

  /** Adopts what the program has set meanwhile (see {@link ownOptionsIn}). */
  #adoptForeign(fd: number): Standing {
    const { terms, saved, keepalive, hasUserTimeout } = this;
    const userTimeoutMs = hasUserTimeout ? terms.inFlightUserTimeoutMs : 0;
    const own = ownOptionsIn(settledOptions(fd), { saved, keepalive, userTimeoutMs });
    if (own === saved) return this;
    const kept = sharedSaved({ ...own, keepalive: sharedKeepalive(own.keepalive) });
    return sharedStanding(new Standing({ ...this, saved: kept }));
  }

  #holding({ keepalive, userTimeoutMs }: ConnectionOptions, yieldedIn: Flow | null): Standing {
    const hasUserTimeout = userTimeoutMs !== 0;
    const next = new Standing({ ...this, hasUserTimeout, yieldedIn });
    return sharedStanding(next).#withKeepalive(keepalive);
  }

  #withKeepalive(keepalive: AppliedKeepalive): Standing {
    return sharedStanding(new Standing({ ...this, keepalive: sharedKeepalive(keepalive) }));
  }
}

/** The cap on backoff is set again when it should differ by this factor. */
const CAP_CHANGE = 1.2;

/** Values that most connections have in common are kept once. */
const sharedSaved: (saved: ConnectionOptions) => ConnectionOptions = shareEqual();
const sharedKeepalive: (keepalive: AppliedKeepalive) => AppliedKeepalive = shareEqual();
const sharedTerms: (terms: Terms) => Terms = shareEqual();
const sharedStanding: (standing: Standing) => Standing = shareEqual();
