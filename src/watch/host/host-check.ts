import type { State } from "../../core/diagnosis.ts";
import { Answers, ORDINARY_ANSWERS } from "../../core/judge/answers.ts";
import { HEARD_SLACK_MS } from "../../core/judge/flow.ts";
import { Liveness } from "../../core/judge/liveness.ts";
import type { LossBelief } from "../../core/judge/loss-belief.ts";
import { PathLoss } from "../../core/judge/path-loss.ts";
import { answeredInGroup, type PeerGroup } from "../../core/judge/peer-groups.ts";
import { SMALLEST_BUDGET_MS } from "../../core/judge/probe-plan.ts";
import type { TcpInfo } from "../../core/tcp-info.ts";
import type { Instant } from "../../core/time/instant.ts";
import { ProbeSlots } from "../../core/time/probe-slots.ts";
import { NUDGE_IDLE_MS } from "../../kernel/nudge.ts";
import { resetOnClose } from "../../kernel/options/linger.ts";
import { tcpInfoShelf } from "../../kernel/tcp-info/shelf.ts";
import type { Applied } from "../applied.ts";
import { engine } from "../engine.ts";
import type { Membership } from "../membership.ts";
import type { WatchSettings } from "../options.ts";
import { Standing } from "./standing.ts";

/**
 * Calm looks are late by up to this share of what the budget has beyond the smallest one, so that
 * one waking serves many: a waking costs as much as 40 looks (200 µs on 6.18). A verdict does not
 * wait for it: probes that outlast an outage of 0.4 budgets leave later, and their clock is the
 * kernel's first probe.
 */
const LATE_SHARE = 1 / 8;
const SMALLEST_LATENESS_MS = 80;
const LARGEST_LATENESS_MS = 1000;

/**
 * As a path turns out better than was believed, one look of so many has the plan of its probes made
 * anew.
 */
const LOOKS_BY_PLAN = 8;

const probeSlots = new ProbeSlots();

/**
 * Reads the kernel's evidence of one connection, has it judged, and does what the judgement asks
 * for.
 *
 * Most connections are idle and answer, most of the time. Such a one needs no judge: {@link
 * Liveness} is let go, and made anew from the last reading when something happens. It then knows
 * what it would have known.
 */
export class HostCheck {
  readonly fd: number;
  #standing: Standing;
  /** Where the last reading lies, -1 after the end. */
  #place = -1;
  #liveness: Liveness | null;
  readonly #peer: PeerGroup;
  /** What the connection believes of its path by losses of its own; `null` while it has none. */
  #loss: LossBelief | null = null;
  /** How the peer answers probes, as long as that is to be learned; `null`: each. */
  #answers: Answers | null;
  /** Silence before is not held against the peer: nobody asked, or this process stood still. */
  #grantedFrom: Instant;
  #lookedAt: Instant;
  /**
   * With no judge: the kernel probes after such a silence, and the answer is missing after such a
   * one.
   */
  #idleMs: number;
  #routineMs = 0;

  constructor(fd: number, settings: WatchSettings, membership: Membership, now: Instant) {
    this.fd = fd;
    this.#peer = membership.group;
    this.#answers = new Answers(membership);
    this.#standing = Standing.on(fd, settings);
    this.#grantedFrom = now;
    this.#lookedAt = now;
    this.#liveness = this.#newLiveness(now, Number.POSITIVE_INFINITY);
    this.#idleMs = this.#liveness.idleMs;
    this.#start();
    this.#place = tcpInfoShelf.enter();
  }

  get state(): State {
    return this.#liveness?.state ?? "alive";
  }

  /** `null` while there is nothing to judge. */
  get liveness(): Liveness | null {
    return this.#liveness;
  }

  get loss(): PathLoss {
    return this.#liveness?.loss ?? new PathLoss(this.#peer, this.#loss);
  }

  /** The budget is over, and nothing is proven yet. */
  get isOverdue(): boolean {
    return this.#liveness?.isOverdue ?? false;
  }

  /** The last reading; `null` before the first one and after the end. */
  get info(): TcpInfo | null {
    return this.hasReading ? tcpInfoShelf.kept(this.#place) : null;
  }

  get hasReading(): boolean {
    return this.#place >= 0 && tcpInfoShelf.has(this.#place);
  }

  get heardAt(): Instant {
    return (
      this.#liveness?.heardAt ??
      Math.max(this.#grantedFrom, this.#lookedAt - tcpInfoShelf.keptHeardAgeMs(this.#place))
    );
  }

  get hasRtoCap(): boolean {
    return this.#standing.terms.rtoMaxMs !== null;
  }

  get applied(): Applied {
    return this.#standing.describe((this.#liveness ?? this.#recalled()).plan);
  }

  /**
   * Takes a reading. Returns the instant at which to look again, `null` where {@link judge} is to
   * see the reading.
   */
  look(now: Instant): Instant | null {
    // No TCP socket any more: 'close' follows
    if (!tcpInfoShelf.read(this.fd)) return Number.POSITIVE_INFINITY;
    if (!this.#isCalm()) return null;
    if (this.#isPlanDue() || this.#hasLearnedOfAnswers(now)) {
      this.#liveness = this.#recalled(); // a judge that is there already asks for no early probe
      return null;
    }
    const heardAt = Math.max(this.#grantedFrom, now - tcpInfoShelf.takenHeardAgeMs());
    const next = this.#nextCalmLook(now, heardAt);
    if (next <= now) return null;
    if (heardAt > this.heardAt + HEARD_SLACK_MS) this.#learnAnswers();
    this.#keep(now);
    return next;
  }

  /**
   * Judges the reading just taken. `stalledMs`: how long this process stood still since the last
   * look. Returns the instant at which to look again, `null` when the kernel has ended the
   * connection.
   */
  judge(now: Instant, stalledMs: number): Instant | null {
    const isAskedEarly = this.#isCalm();
    this.#liveness ??= this.#recalled();
    const liveness = this.#liveness;
    if (stalledMs > 0) liveness.stalled(now, stalledMs);
    this.#keep(now);
    const info = tcpInfoShelf.taken();
    if (info.state === "CLOSE") return null;
    const next = this.#observe(now, liveness, info, isAskedEarly);
    return this.#forget() ? Math.max(now + 1, this.#nextCalmLook(now, this.heardAt)) : next;
  }

  /**
   * From now on closing sends an RST: the verdict stays true, and no orphan retransmits for
   * minutes.
   */
  resetOnClose(): void {
    resetOnClose(this.fd);
  }

  /**
   * `isOpen`: whether the descriptor is still the connection's; what it does not bear now is put
   * back later.
   */
  restore(isOpen: () => boolean): void {
    this.#standing.restore(this.fd, isOpen);
  }

  /** The kernel repeats as patiently as without a watch, and is judged by that. */
  uncap(): void {
    this.#standing = this.#standing.uncap(this.fd);
    this.#liveness?.capped(this.#standing.terms.rtoMaxMs);
  }

  /**
   * From now on by other settings. What was read of the peer stays known; what is unanswered was
   * not asked by them.
   */
  retune(settings: WatchSettings): void {
    this.#standing = this.#standing.again(this.fd, settings);
    if (tcpInfoShelf.read(this.fd)) this.#keep(engine.now());
    this.#liveness = this.#recalled(Number.POSITIVE_INFINITY);
    this.#idleMs = this.#liveness.idleMs;
    this.#start();
  }

  /** Where the kernel refuses the keepalive, the cap that was set before goes back. */
  #start(): void {
    try {
      this.#standing = this.#standing.start(this.fd, this.#idleMs);
    } catch (error) {
      this.#standing.uncap(this.fd);
      throw error;
    }
  }

  /**
   * Whether each probe is known to be answered since the reading just taken; until then the
   * standing keepalive probes early.
   */
  #hasLearnedOfAnswers(now: Instant): boolean {
    if (this.#answers === null) return false;
    this.#answers.observe(now, tcpInfoShelf.taken(), false);
    return this.#answers.areOrdinary;
  }

  /** The last reading is needed no more. */
  end(): void {
    if (this.#place < 0) return;
    tcpInfoShelf.leave(this.#place);
    this.#place = -1;
  }

  #keep(now: Instant): void {
    tcpInfoShelf.keep(this.#place);
    this.#lookedAt = now;
  }

  /** No judge is needed, and none would see anything in the reading just taken. */
  #isCalm(): boolean {
    return this.#liveness === null && tcpInfoShelf.isUneventfulSince(this.#place);
  }

  #learnAnswers(): void {
    const answered = tcpInfoShelf.answeredSince(this.#place);
    if (answered === 0) return;
    this.#loss?.record(answered, 0);
    answeredInGroup(this.#peer, answered);
  }

  #isPlanDue(): boolean {
    return (
      (this.#loss !== null || this.#idleMs < this.#standing.terms.longestIdleMs) &&
      Math.random() * LOOKS_BY_PLAN < 1
    );
  }

  /**
   * When the standing probe must have been answered. Where too many are due with it, this one
   * leaves on demand in any moment of the second from which on it can be had, a second later than
   * the plan says if need be; `now` if that has come.
   */
  #nextCalmLook(now: Instant, heardAt: Instant): Instant {
    const soonest = heardAt + NUDGE_IDLE_MS;
    if (probeSlots.reserve(heardAt + this.#idleMs, engine.size, this.#idleMs)) {
      this.#standing = this.#standing.keepIdle(this.fd, this.#idleMs, false);
      return together(heardAt + this.#routineMs, this.#standing.terms.budgetMs);
    }
    if (now >= soonest) return now;
    const idleMs = Math.max(this.#idleMs, 2 * NUDGE_IDLE_MS);
    this.#standing = this.#standing.keepIdle(this.fd, idleMs, false);
    return soonest + Math.floor(Math.random() * (idleMs - NUDGE_IDLE_MS));
  }

  /** Lets the judge go where a new one would know as much. */
  #forget(): boolean {
    const liveness = this.#liveness;
    if (!liveness?.isForgettable) return false;
    this.#idleMs = liveness.idleMs;
    this.#routineMs = liveness.routineMs;
    if (this.#answers?.areOrdinary) this.#answers = null;
    this.#loss = liveness.loss.own?.isClean === false ? liveness.loss.own : null;
    this.#grantedFrom = Math.max(this.#grantedFrom, liveness.heardAt);
    this.#liveness = null;
    return true;
  }

  /** `isAskedEarly`: the probe is to leave now. */
  #observe(now: Instant, liveness: Liveness, info: TcpInfo, isAskedEarly: boolean): Instant {
    const next = liveness.observe(now, info);
    const { rtoMaxMs } = this.#standing.terms;
    this.#standing = this.#standing
      .followPath(this.fd, info)
      .guardInFlight(this.fd, liveness.flow === "in-flight");
    if (this.#standing.terms.rtoMaxMs !== rtoMaxMs) liveness.capped(this.#standing.terms.rtoMaxMs);
    if (liveness.isProbeMissing || (liveness.isUnquestioned && !liveness.wantsNudge))
      this.#standing = this.#standing.keepIdle(this.fd, liveness.idleMs, liveness.isProbeMissing);
    // The kernel ends a closed window after so many probes, the sooner the tighter the cap, which
    // serves nothing here.
    if (liveness.isUnproven && (liveness.isOverdue || liveness.flow === "blocked"))
      this.#standing = this.#standing.yield(this.fd, liveness.flow);
    else if (this.#standing.yieldedIn !== null)
      this.#standing = this.#standing.start(this.fd, liveness.idleMs);
    if (!liveness.wantsNudge && !isAskedEarly) return next;
    if (this.#standing.isLeftToProgram) return now + liveness.routineMs;
    this.#standing = this.#standing.nudge(this.fd);
    return liveness.nudged(now);
  }

  /** `found`: so many of the attempts that the last reading shows unanswered are found. */
  #recalled(found: number = 0): Liveness {
    const liveness = this.#newLiveness(this.heardAt, found);
    const { info } = this;
    if (info) liveness.observe(this.#lookedAt, info);
    return liveness;
  }

  #newLiveness(since: Instant, found: number): Liveness {
    const loss = new PathLoss(this.#peer, this.#loss);
    return new Liveness(
      { ...this.#standing.terms, loss, found, answers: this.#answers ?? ORDINARY_ANSWERS },
      since,
    );
  }
}

/** Calm looks need not be exact: done together they wake the process less often. */
function together(at: Instant, budgetMs: number): Instant {
  const latenessMs = Math.min(
    LARGEST_LATENESS_MS,
    Math.max(SMALLEST_LATENESS_MS, Math.floor((budgetMs - SMALLEST_BUDGET_MS) * LATE_SHARE)),
  );
  return Math.ceil(at / latenessMs) * latenessMs;
}
