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
  /** What the program had. */
  readonly saved: ConnectionOptions;
  readonly keepalive: AppliedKeepalive;
  readonly hasUserTimeout: boolean;
  /** What the connection was doing when {@link follow} took effect; `null`: it has not. */
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

  /** Notes how the options stand, for {@link restore}, and sets all but the keepalive. */
  static on(fd: number, settings: WatchSettings): Standing {
    const own = settledOptions(fd);
    const keepalive = sharedKeepalive(own.keepalive);
    return Standing.#begin(fd, settings, sharedSaved({ ...own, keepalive }), keepalive);
  }

  /** The same connection, by other settings. */
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
   * The peer need not answer probes, so the kernel must not end it for that: it is as patient again
   * as without a watch. The program's own keepalive goes back, and is left alone; where there was
   * none, only {@link nudge} probes on. Of a closed window the cap on backoff goes back, which
   * would have its probes used up soon.
   */
  #yield(fd: number, flow: Flow): Standing {
    if (this.yieldedIn === flow) return this;
    const before = readOptions(fd);
    const ours = { ...before, keepalive: { ...this.keepalive, enabled: true } };
    const wanted = patientWith(this.saved, ours, flow);
    const { keepalive } = applyOptions(fd, before, wanted);
    return sharedStanding(new Standing({ ...this, yieldedIn: flow })).#withKeepalive(keepalive);
  }

  /** The program's own keepalive probes, and its count is not to be used up by ours. */
  get isLeftToProgram(): boolean {
    return this.yieldedIn !== null && this.saved.keepalive.enabled;
  }

  /** Does what a judgement asks of the options, and follows the path that its reading shows. */
  follow(fd: number, { info, flow, wants, isUnproven, isOverdue }: Judgement): Standing {
    let next = this.#followPath(fd, info).guardInFlight(fd, flow === "in-flight");
    if (wants.keepalive !== "leave")
      next = next.keepIdle(fd, wants.idleMs, wants.keepalive === "again");

    // The kernel ends a closed window after a number of probes, the sooner the tighter the cap,
    // which serves nothing here.
    if (isUnproven && (isOverdue || flow === "blocked")) return next.#yield(fd, flow);
    return next.yieldedIn === null ? next : next.start(fd, wants.idleMs);
  }

  /**
   * Follows the probe plan, and puts right what a program changed behind our back; what it set is
   * what {@link restore} leaves.
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
   * The user timeout guards data in flight behind an open window only: at a closed one it would end
   * a live peer (docs/internals/kernel.md#user-timeout).
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
   * The cap on backoff follows what is learned of the path; not while anything is repeated (see
   * {@link applyCap}).
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
   * Takes the cap on backoff back. Of a closed socket whose backoff has reached its cap the kernel
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
   * The program has again what it had: now, as far as the connection bears it, and the rest when
   * the peer was heard. `isOpen`: see {@link restoreOptions}.
   */
  restore(fd: number, isOpen: () => boolean): void {
    restoreOptions(fd, this.#adoptForeign(fd).saved, isOpen);
  }

  /**
   * libuv and clients set keepalive on their own; what differs from what we left there is theirs,
   * and theirs again when the watch ends.
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
   * Another process that asked this peer may have left the idle time short, and the count looser by
   * what was unanswered.
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

/**
 * With `onDead: "report"` the kernel probes so seldom by itself that it gives up after more than an
 * hour.
 */
const REPORT_INTERVAL_MS = 30_000;

/** The cap on backoff is set anew when it should differ by this factor. */
const CAP_CHANGE = 1.2;

/** What most connections have in common is kept once. */
const sharedSaved: (saved: ConnectionOptions) => ConnectionOptions = shareEqual();
const sharedKeepalive: (keepalive: AppliedKeepalive) => AppliedKeepalive = shareEqual();
const sharedTerms: (terms: Terms) => Terms = shareEqual();
const sharedStanding: (standing: Standing) => Standing = shareEqual();
