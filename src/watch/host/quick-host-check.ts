import type { Judged } from "../../core/cause/diagnose.ts";
import { SMALLEST_BUDGET_MS } from "../../core/judge/probe-plan.ts";
import { QuickHost } from "../../core/judge/quick-host.ts";
import type { HostSilence } from "../../core/judge/quick-process.ts";
import {
  isQuickBudget,
  outageOf,
  quickTerms,
  quickWithinMs,
  TICK_MS,
} from "../../core/judge/quick-terms.ts";
import { heardAgeMs } from "../../core/judge/reading.ts";
import { baseRtoMs } from "../../core/judge/retransmission-times.ts";
import type { TcpInfo } from "../../core/tcp-info.ts";
import type { Instant } from "../../core/time/instant.ts";
import { gatherAgain, sendAtOnce } from "../../kernel/options/no-delay.ts";
import { tcpInfoShelf } from "../../kernel/tcp-info/shelf.ts";
import type { Applied } from "../applied.ts";
import { engine } from "../engine.ts";
import { knownPaths } from "../known-paths.ts";
import type { Membership } from "../membership.ts";
import type { WatchSettings } from "../settings.ts";
import { HostCheck } from "./host-check.ts";

/**
 * Decides whether the host still answers within a budget too short for keepalive. While a heartbeat
 * is unanswered, quick-host.ts judges the kernel's evidence; the host check goes on below at the
 * smallest budget that keepalive keeps, and has the word where heartbeats cannot leave.
 */
export class QuickHostCheck extends HostCheck {
  #settings: WatchSettings;
  readonly #membership: Membership;
  /** Each heartbeat must be a segment of its own, also behind one that is unacknowledged. */
  readonly #sendsAtOnceAnew: boolean;
  #proof: QuickHost;
  /** The last judgement of heartbeats that are unanswered; `null`: none is. */
  #quick: Pick<Judged, "state" | "isOverdue"> | null = null;
  #soughtAt: Instant = 0;
  /** When the host check below is due. */
  #patientAt: Instant = 0;
  /** The last reading since it last was; `null`: there is none. */
  #glance: { readonly at: Instant; readonly info: TcpInfo } | null = null;

  constructor(fd: number, settings: WatchSettings, membership: Membership, now: Instant) {
    super(fd, patient(settings), membership, now);
    this.#settings = settings;
    this.#membership = membership;
    this.#sendsAtOnceAnew = sendAtOnce(fd);
    this.#proof = new QuickHost(termsOn(this.info, settings), settings.falseAlarmsPerYear);
  }

  override get info(): TcpInfo | null {
    return this.#glance?.info ?? super.info;
  }

  override get heardAt(): Instant {
    if (this.#glance === null) return super.heardAt;
    const { at, info } = this.#glance;
    return Math.max(super.heardAt, at - (heardAgeMs(info) ?? Number.POSITIVE_INFINITY));
  }

  /**
   * Heartbeats ask for readings often. While none is unanswered, the host check below sees only
   * those that are due to it: it would set the standing keepalive anew for each.
   */
  override check(now: Instant, stalledMs: number): Instant | null | "disproved" {
    const isSuspended = engine.health.suspendedAt > this.#soughtAt;
    if (this.#quick === null && now < this.#patientAt && stalledMs === 0 && !isSuspended)
      return this.#look(now);
    const next = super.check(now, stalledMs);
    this.#patientAt = typeof next === "number" ? next : now;
    this.#glance = null;
    return next;
  }

  #look(now: Instant): Instant | null {
    // An answer that came meanwhile is no reason to read again.
    if (this.#glance !== null && now - this.#glance.at < TICK_MS) return this.#patientAt;
    if (!tcpInfoShelf.read(this.fd)) return Number.POSITIVE_INFINITY;
    const info = tcpInfoShelf.taken();
    this.#glance = { at: now, info };
    return info.state === "CLOSE" ? null : this.#patientAt;
  }

  override restore(isOpen: () => boolean): void {
    super.restore(isOpen);
    if (this.#sendsAtOnceAnew) gatherAgain(this.fd);
  }

  override retune(settings: WatchSettings, now: Instant): void {
    super.retune(patient(settings), now);
    this.#patientAt = now;
    this.#glance = null;
    this.#settings = settings;
    this.#quick = null;
    this.#proof = new QuickHost(termsOn(this.info, settings), settings.falseAlarmsPerYear);
  }

  /** Attempts of the heartbeat whose answer is missing; 0: so few that it is everyday loss. */
  get missed(): number {
    const { unanswered } = this.#proof;
    return this.#quick !== null && unanswered >= FEWEST_MISSED ? unanswered : 0;
  }

  override get judged(): Judged {
    const judged = super.judged;
    const unanswered = this.missed;
    const { firstUnansweredAt, isOutlasted } = this.#proof;
    if (this.#quick === null || judged.state === "dead" || unanswered === 0) return judged;
    return {
      ...judged,
      ...this.#quick,
      flow: "in-flight",
      unanswered,
      firstUnansweredAt,
      isOutlasted,
      isRushed: false,
      doubt: null,
    };
  }

  override get applied(): Applied {
    const applied = super.applied;
    const terms = termsOn(this.info, this.#settings);
    const withinMs = Math.max(this.#settings.detectWithinMs, quickWithinMs(terms));
    return {
      ...applied,
      detectWithinMs: { ...applied.detectWithinMs, idle: withinMs, inFlight: withinMs },
      surviveOutageMs: terms.outageMs,
      overdue: applied.overdue || withinMs > this.#settings.detectWithinMs,
    };
  }

  /** Judges the last reading: an answer to a heartbeat is missing. */
  seek(now: Instant): HostSilence | null {
    const { info } = this;
    if (info === null) return null;
    if (engine.health.suspendedAt > this.#soughtAt) this.#proof.clear();
    this.#soughtAt = now;
    this.#proof.terms = termsOn(info, this.#settings);
    this.#proof.observe(now, info);
    const isGone =
      this.#proof.isProven(now, this.loss) ||
      (this.#proof.hasLasted(now) && knownPaths.isBroken(this.#membership, this.fd, now));
    this.#quick = { state: isGone ? "dead" : "suspect", isOverdue: this.#proof.isOver(now) };
    return { isUnacked: this.#proof.unanswered > 0, isBackingOff: this.#proof.isBackingOff };
  }

  /** What happened: no answer is missing any more. */
  found(): null {
    if (this.#quick !== null) this.#proof.clear();
    this.#quick = null;
    return null;
  }
}

/** Starts the host check that the budget asks for, or retunes the one `before`. */
export function checkHost(
  fd: number,
  settings: WatchSettings,
  membership: Membership,
  before: HostCheck | null,
): HostCheck {
  const Check = isQuickBudget(settings.detectWithinMs) ? QuickHostCheck : HostCheck;
  if (before?.constructor === Check) {
    before.retune(settings, engine.now());
    return before;
  }
  before?.restore(() => true);
  before?.end();
  return new Check(fd, settings, membership, engine.now());
}

/** One answer that is missing is everyday loss. */
const FEWEST_MISSED = 2;

/** The settings of the host check below. */
function patient(settings: WatchSettings): WatchSettings {
  return { ...settings, detectWithinMs: SMALLEST_BUDGET_MS, surviveOutageMs: null };
}

/** The times that the path leaves. */
function termsOn(
  info: TcpInfo | null,
  { detectWithinMs, surviveOutageMs }: WatchSettings,
): ReturnType<typeof quickTerms> {
  const { rttMs = 0, rttVarMs = 0 } = info ?? {};
  const outageMs = outageOf(detectWithinMs, surviveOutageMs);
  return quickTerms(detectWithinMs, outageMs, { rttMs, rtoMs: baseRtoMs(rttMs, rttVarMs) });
}
