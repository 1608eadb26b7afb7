import { CALM, type Judged } from "../../core/cause/diagnose.ts";
import { Answers, type Siblings } from "../../core/judge/answers.ts";
import { answeredInGroup } from "../../core/judge/group-loss.ts";
import type { Judgement } from "../../core/judge/judgement.ts";
import { HEARD_SLACK_MS } from "../../core/judge/lateness.ts";
import type { Liveness } from "../../core/judge/liveness.ts";
import type { LossBelief } from "../../core/judge/loss-belief.ts";
import { probeAnswered } from "../../core/judge/path-delay.ts";
import { PathLoss } from "../../core/judge/path-loss.ts";
import type { TcpInfo } from "../../core/tcp-info.ts";
import type { Instant } from "../../core/time/instant.ts";
import { tcpInfoShelf } from "../../kernel/tcp-info/shelf.ts";
import type { Applied } from "../applied.ts";
import { engine } from "../engine.ts";
import type { Membership } from "../membership.ts";
import type { WatchSettings } from "../settings.ts";
import { appliedByKernel } from "./applied-by-kernel.ts";
import { firstCheckAt, isPlanDue, nextCalmCheck } from "./check-times.ts";
import { type Calm, calm, type Judging, judging } from "./mode.ts";
import { Standing } from "./standing.ts";

/**
 * Decides whether the *host* at the other end still answers, from the kernel's evidence alone, and
 * does what the judgement asks for (process-check.ts: the process behind it).
 *
 * | mode   | holds                           | a check                 | until                    |
 * |--------|---------------------------------|-------------------------|--------------------------|
 * | judged | a judge, its last judgement     | decodes, judges, acts   | the judge is forgettable |
 * | calm   | two durations, shared with many | compares bytes          | a reading is eventful    |
 *
 * Most connections are calm: idle, and answering. The last reading stays on the shelf, so a judge
 * made from it knows what the one before it knew.
 */
export class HostCheck {
  readonly fd: number;
  #mode: Judging | Calm;
  #standing: Standing;
  /** Place of the last reading on the shelf; -1 after the end. */
  #place = -1;
  #readAt: Instant;
  /** Silence before this instant does not count: nobody probed, or this process stood still. */
  #grantedFrom: Instant;
  readonly #siblings: Siblings;
  /** Belief about the path's loss, from losses of this connection itself; `null`: it had none. */
  #loss: LossBelief | null = null;
  /** How the peer answers probes, until this is known; `null`: it answers each. */
  #answers: Answers | null;

  constructor(fd: number, settings: WatchSettings, membership: Membership, now: Instant) {
    this.fd = fd;
    this.#siblings = membership;
    this.#answers = new Answers(membership);
    this.#standing = Standing.on(fd, settings);
    this.#grantedFrom = now;
    this.#readAt = now;
    this.#mode = this.#started(this.#newJudge(now, Number.POSITIVE_INFINITY));
    this.#place = tcpInfoShelf.enter();
    if (tcpInfoShelf.read(fd)) this.#keep(now);
  }

  /** The last judgement; {@link CALM} if there is none. */
  get judged(): Judged {
    return this.#mode.judgement ?? CALM;
  }

  get isCalm(): boolean {
    return this.#mode.kind === "calm";
  }

  get loss(): PathLoss {
    return this.#mode.judgement?.loss ?? new PathLoss(this.#siblings.group, this.#loss);
  }

  /** The last reading; `null` after the end. */
  get info(): TcpInfo | null {
    return this.hasReading ? tcpInfoShelf.kept(this.#place) : null;
  }

  get hasReading(): boolean {
    return this.#place >= 0 && tcpInfoShelf.has(this.#place);
  }

  get heardAt(): Instant {
    if (this.#mode.judgement) return this.#mode.judgement.heardAt;
    const heardAt = this.#readAt - tcpInfoShelf.keptHeardAgeMs(this.#place);
    return Math.max(this.#grantedFrom, heardAt);
  }

  get firstCheckAt(): Instant {
    return firstCheckAt(this.#readAt, tcpInfoShelf.keptHeardAgeMs(this.#place));
  }

  get hasRtoCap(): boolean {
    return this.#standing.terms.rtoMaxMs !== null;
  }

  get applied(): Applied {
    return appliedByKernel(this.#standing, this.#judging.judge);
  }

  /**
   * Takes a reading and does what its judgement asks for. `stalledMs`: how long this process stood
   * still since. Returns the next deadline; `null`: the kernel ended it; `"disproved"`: untrue.
   */
  check(now: Instant, stalledMs: number): Instant | null | "disproved" {
    if (!tcpInfoShelf.read(this.fd)) return Number.POSITIVE_INFINITY; // 'close' follows
    const sinceMs = stalledMs > 0 ? 0 : now - this.#readAt;
    if (tcpInfoShelf.isStill(this.#place, sinceMs)) return "disproved";
    const mode = this.#mode;
    // The reading that the watch began with is judged only here, because it takes long there.
    if (mode.kind === "judged" && !mode.judgement)
      mode.judge.observe(this.#readAt, tcpInfoShelf.kept(this.#place));
    if (this.#readAt < engine.health.suspendedAt)
      return this.#judge(now, Number.POSITIVE_INFINITY, false);
    if (mode.kind === "judged") return this.#judge(now, stalledMs, false);
    const { terms } = this.#standing;
    const calm = tcpInfoShelf.calmSince(this.#place);
    const isOld = stalledMs > 0 && 2 * (calm?.heardAgeMs ?? 0) > terms.budgetMs;
    if (!calm || isOld || isPlanDue(mode, terms, this) || this.#hasLearnedOfAnswers(now))
      return this.#judge(now, stalledMs, false);

    const heardAt = Math.max(this.#grantedFrom, now - calm.heardAgeMs);
    const next = this.#nextCalmCheck(now, heardAt, mode);
    if (next <= now) return this.#judge(now, stalledMs, true);
    if (calm.answered > 0 && heardAt > this.heardAt + HEARD_SLACK_MS) {
      this.#loss?.record(calm.answered, 0);
      const { idleMs } = this.#standing.keepalive;
      const probe = calm.isOneAck ? probeAnswered(this.heardAt, heardAt, idleMs) : null;
      answeredInGroup(this.#siblings.group, calm.answered, probe);
    }
    this.#keep(now);
    return next;
  }

  /**
   * Gives the program its options back. `isOpen`: returns whether the descriptor is still the
   * connection's. Options that the connection does not bear now are restored later.
   */
  restore(isOpen: () => boolean): void {
    this.#standing.restore(this.fd, isOpen);
  }

  /** Takes the cap on backoff off, so that the kernel repeats as patiently as without a watch. */
  uncap(): void {
    this.#standing = this.#standing.uncap(this.fd);
    if (this.#mode.kind === "judged") this.#mode.judge.capped(this.#standing.terms.rtoMaxMs);
  }

  /**
   * Goes on with other settings. Readings of the peer are kept; attempts unanswered so far count as
   * made under the old settings.
   */
  retune(settings: WatchSettings, now: Instant): void {
    this.#standing = this.#standing.again(this.fd, settings);
    const isRead = tcpInfoShelf.read(this.fd);
    if (isRead) this.#keep(now);
    const mode = this.#newJudge(this.heardAt, Number.POSITIVE_INFINITY);
    if (isRead) mode.judgement = mode.judge.observe(now, tcpInfoShelf.taken());
    this.#mode = this.#started(mode);
  }

  /** Gives the place on the shelf back. */
  end(): void {
    if (this.#place < 0) return;
    tcpInfoShelf.leave(this.#place);
    this.#place = -1;
  }

  /** Switches the keepalive on. If the kernel refuses an option, the program gets its own back. */
  #started(mode: Judging): Judging {
    try {
      this.#standing = this.#standing.start(this.fd, mode.judge.idleMs);
      return mode;
    } catch (error) {
      this.#standing.undo(this.fd);
      throw error;
    }
  }

  /** `isEarly`: a probe leaves now, since the moment of the standing one is crowded. */
  #judge(now: Instant, stalledMs: number, isEarly: boolean): Instant | null {
    const mode = this.#judging;
    const { judge } = mode;
    this.#mode = mode;
    if (stalledMs > 0) judge.stalled(now, stalledMs);
    this.#keep(now);
    const info = tcpInfoShelf.taken();
    if (info.state === "CLOSE") return null;

    const judgement = judge.observe(now, info);
    mode.judgement = judgement;
    this.#answers = judge.answers;
    const { rtoMaxMs } = this.#standing.terms;
    this.#standing = this.#standing.follow(this.fd, judgement);
    if (this.#standing.terms.rtoMaxMs !== rtoMaxMs) judge.capped(this.#standing.terms.rtoMaxMs);
    if (judgement.wants.nudge || isEarly) {
      if (this.#standing.isLeftToProgram) return now + judge.routineMs;
      this.#standing = this.#standing.nudge(this.fd);
      return judge.nudged(now);
    }
    if (!judgement.isForgettable) return judgement.lookAt;

    this.#mode = this.#forget(judge, judgement);
    return Math.max(now + 1, this.#nextCalmCheck(now, judgement.heardAt, this.#mode));
  }

  /** Keeps what the judge learned, and lets it go. */
  #forget(judge: Liveness, { loss, heardAt }: Judgement): Calm {
    if (this.#answers?.areSettled) this.#answers = null;
    this.#loss = loss.own?.isClean === false ? loss.own : null;
    this.#grantedFrom = Math.max(this.#grantedFrom, heardAt);
    return calm(judge);
  }

  /** The judge; where there is none, one that knows the last reading, which was calm. */
  get #judging(): Judging {
    if (this.#mode.kind === "judged") return this.#mode;
    const mode = this.#newJudge(this.heardAt, 0, this.#standing.keepalive.idleMs);
    mode.judge.begin(this.#readAt, tcpInfoShelf.kept(this.#place));
    return mode;
  }

  #newJudge(since: Instant, found: number, standingIdleMs?: number): Judging {
    const known = { loss: this.#loss, answers: this.#answers, standingIdleMs };
    return judging(this.#standing.terms, { siblings: this.#siblings, ...known }, since, found);
  }

  #keep(now: Instant): void {
    tcpInfoShelf.keep(this.#place);
    this.#readAt = now;
  }

  /** Returns whether the reading just taken shows that the peer answers each probe. */
  #hasLearnedOfAnswers(now: Instant): boolean {
    if (this.#answers === null) return false;
    const info = tcpInfoShelf.kept(this.#place);
    this.#answers.compare({ at: this.#readAt, info }, now, tcpInfoShelf.taken());
    return this.#answers.areSettled;
  }

  /** Returns when to check again, and sets the standing keepalive accordingly. */
  #nextCalmCheck(now: Instant, heardAt: Instant, mode: Calm): Instant {
    const next = nextCalmCheck(now, heardAt, mode, this.#standing.terms);
    if (next.at > now) this.#standing = this.#standing.keepIdle(this.fd, next.idleMs, false);
    return next.at;
  }
}
