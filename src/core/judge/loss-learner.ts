import type { TcpInfo } from "../tcp-info.ts";
import type { Instant } from "../time/instant.ts";
import type { Attempts } from "./attempts.ts";
import { FlightDelay } from "./flight-delay.ts";
import { HEARD_SLACK_MS } from "./lateness.ts";
import type { Lesson } from "./loss-belief.ts";
import { type PathDelay, probeAnswered, windowOfLate } from "./path-delay.ts";
import type { PathLoss } from "./path-loss.ts";
import type { PathTiming } from "./path-timing.ts";
import { PROBE_SPACING_MS } from "./probe-plan.ts";
import type { Changes, Reading, Snapshot } from "./reading.ts";
import { RetransmitLoss } from "./retransmit-loss.ts";

/**
 * Learns from one connection what its path loses, and how late it answers, whenever the peer was
 * heard.
 *
 * The first answer after several probes does not show which of them it answers: the last one, after
 * a loss or an outage, or the first one, late. The next moment does. A late path goes on answering
 * the others, one after the other, though nothing new was sent; then nothing was lost. So such a
 * loss is undecided until the time between two probes has passed in silence.
 */
export class LossLearner {
  readonly #loss: PathLoss;
  readonly #delay: PathDelay;
  readonly #flight: FlightDelay = new FlightDelay();
  readonly #retransmits: RetransmitLoss = new RetransmitLoss();
  #undecided: Undecided | null = null;
  /** Until then answers may come to probes from before the last that was learned from. */
  #answersOldUntil: Instant = Number.NEGATIVE_INFINITY;

  constructor(loss: PathLoss, delay: PathDelay) {
    this.#loss = loss;
    this.#delay = delay;
  }

  /** When an undecided loss is decided; infinite: none is. */
  get decidesAt(): Instant {
    return this.#undecided?.decidesAt ?? Number.POSITIVE_INFINITY;
  }

  /** What happened: the first reading. */
  begin({ info }: Reading): void {
    this.#retransmits.begin(info);
  }

  /** What happened: a reading. `isHeard`: it ended a silence, and {@link heard} was called. */
  observe(reading: Reading, isHeard: boolean): void {
    this.#flight.observe(reading, this.#delay);
    const it = this.#undecided;
    if (it === null || isHeard) return;
    const isMixed = hasDataMoved(it.info, reading.info);
    if (isMixed || reading.at >= it.decidesAt) this.#undecided = null;
    if (!isMixed && reading.at >= it.decidesAt) this.#loss.record(it.lesson);
  }

  /** What happened: a reading ended a silence, however short. */
  heard(reading: Reading, silence: Ended): void {
    if (!this.#wasLate(reading, silence.heardAt)) this.#learnOfProbes(reading, silence);
    const { attempts } = silence;
    const { at } = reading;
    const [from, to] = attempts.count > 0 ? [attempts.firstAt, attempts.lastAtLatest] : [at, at];
    const isOutage = this.#loss.isOutage(attempts.proving);
    const { rttMs = 0, rttVarMs = 0 } = reading.info;
    const lateMs = windowOfLate(Math.max(this.#delay.lateMs, rttMs + 4 * rttVarMs));
    this.#retransmits.acknowledged(this.#loss, reading, from, to, isOutage, lateMs);
  }

  /** A loss was seen that is not learned yet. */
  isWaiting({ info }: Snapshot): boolean {
    return this.#undecided !== null || this.#retransmits.isWaiting(info);
  }

  /**
   * Decides by this answer whether the one before it was late, and returns that. If not, the loss
   * is recorded; where data moved meanwhile, neither is known.
   */
  #wasLate({ info }: Reading, heardAt: Instant): boolean {
    const it = this.#undecided;
    this.#undecided = null;
    if (it === null || hasDataMoved(it.info, info)) return false;
    if (heardAt > it.decidesAt || !hasAnsweredMore(it.info, info)) {
      this.#loss.record(it.lesson);
      return false;
    }
    const { from, to } = it.lesson;
    this.#late(from, to, it.heardAt);
    return true;
  }

  #learnOfProbes(reading: Reading, { attempts, heardAt, timing, ...how }: Ended): void {
    const lesson = how.isEachAnswered
      ? lessonOf(reading, attempts, heardAt, timing)
      : lessonOfLimited(reading, attempts, heardAt);
    if (lesson === null) return;
    if (!how.goesOn) {
      this.#loss.record(lesson);
      return;
    }

    const { info, since, flow } = reading;
    if (attempts.count === 0) {
      // A probe on demand left when its turn came, not when the standing one would have.
      const isNew = since.segmentsIn === 1 && heardAt > this.#answersOldUntil && !how.isNudged;
      const isProbes = isNew && isItsAnswer(reading);
      const probe = isProbes ? probeAnswered(how.heardBefore, heardAt, how.idleMs) : null;
      if (probe) this.#delay.answered(probe);
      this.#loss.record(lesson);
    } else if (!how.isEachAnswered) this.#loss.record(lesson);
    else if (timing.lateMs > 0 && heardAt - attempts.firstAt < timing.patientWindowMs) {
      // Late answers are what is to be expected here, and no loss.
      this.#late(attempts.firstAt, attempts.lastAtLatest, heardAt);
    } else if (
      lesson.lost === 0 ||
      areAllAnswered(attempts, since) ||
      (isOnlyOne(attempts, heardAt, how) && isItsAnswer(reading))
    ) {
      this.#late(attempts.firstAt, attempts.lastAtLatest, heardAt);
      this.#loss.record({ ...lesson, attempts: 1, lost: 0 });
    } else if (flow === since.flowBefore)
      // Otherwise data moves, and neither is known.
      this.#undecided = {
        lesson: areApart(attempts) ? lesson : { ...lesson, attempts: 1, lost: 0 },
        info,
        heardAt,
        decidesAt: heardAt + decideMs(heardAt - attempts.firstAt, how),
      };
  }

  /** The first attempt of a silence, at `firstAt`, was answered at `heardAt`. */
  #late(firstAt: Instant, lastAt: Instant, heardAt: Instant): void {
    const lateMs = Math.max(0, heardAt - firstAt);
    if (heardAt <= this.#answersOldUntil) return;
    this.#answersOldUntil = lastAt + windowOfLate(lateMs);
    this.#delay.cameLate(lateMs);
  }
}

/** A silence that the peer has ended. */
export interface Ended {
  readonly attempts: Attempts;
  /** When the peer was heard, and when before that. */
  readonly heardAt: Instant;
  readonly heardBefore: Instant;
  readonly timing: PathTiming;
  /** The peer answers each probe that arrives. */
  readonly isEachAnswered: boolean;
  /** There will be readings from which late answers can be learned. */
  readonly goesOn: boolean;
  /** A probe on demand was requested, and no reading shows yet whether it left. */
  readonly isNudged: boolean;
  /** How far apart probes on demand leave, at least. */
  readonly spacingMs: number;
  /** Silence after which the next standing probe leaves. */
  readonly idleMs: number;
}

type How = Pick<Ended, "isNudged" | "spacingMs" | "idleMs">;

/** A loss that may be lateness. */
interface Undecided {
  readonly lesson: Lesson;
  readonly info: TcpInfo;
  readonly heardAt: Instant;
  readonly decidesAt: Instant;
}

/** Returns whether as many answers came as probes left, by the kernel's counts. */
function areAllAnswered({ count }: Attempts, { segmentsOut, answers }: Changes): boolean {
  return answers >= count + segmentsOut;
}

/** Returns whether a peer answers probes so far apart: behind a pause of ours it may not. */
function areApart({ count, firstAt, lastAtLatest }: Attempts): boolean {
  return lastAtLatest - firstAt >= (count - 1) * PROBE_SPACING_MS - HEARD_SLACK_MS;
}

/** Returns whether no second probe can have left before the answer. */
function isOnlyOne(
  { count, firstAt }: Attempts,
  heardAt: Instant,
  { isNudged, spacingMs }: How,
): boolean {
  return count === 1 && !isNudged && heardAt - firstAt < spacingMs;
}

/**
 * Returns a time in which the next late answer would follow, and none to a new probe. The first
 * probe on demand may have left long after the standing probe.
 */
function decideMs(waitedMs: number, { spacingMs, idleMs }: How): number {
  return Math.min(Math.max(1.5 * spacingMs, waitedMs), idleMs - DECIDE_SLACK_MS);
}

/** Data, or an acknowledgment of it, is no answer. */
function hasDataMoved(before: TcpInfo, now: TcpInfo): boolean {
  return (
    before.dataSegmentsOut !== now.dataSegmentsOut || before.dataSegmentsIn !== now.dataSegmentsIn
  );
}

/** Returns whether more was answered than was sent meanwhile: so an earlier probe was. */
function hasAnsweredMore(before: TcpInfo, now: TcpInfo): boolean {
  const { segmentsIn = 0, segmentsOut = 0 } = before;
  return (now.segmentsIn ?? 0) - segmentsIn > (now.segmentsOut ?? 0) - segmentsOut;
}

/** Returns what the probes of a silence show about the path's loss; `null`: nothing. */
function lessonOf(
  { info, since }: Reading,
  attempts: Attempts,
  heardAt: Instant,
  timing: PathTiming,
): Lesson | null {
  if (since.flowBefore === "in-flight" || attempts.areLocal) return null;
  if (attempts.count === 0 && !isItsAnswer({ info, since })) return null;
  // A window probe that follows an answered one faster than a peer may answer is not lost when it
  // stays unanswered. The first ones are sent that fast.
  const probes = attempts.count + 1;
  if (since.flowBefore === "blocked" && timing.unclearWindowProbes({ ...info, probes }) > 0)
    return null;
  const lost = attempts.lostWhen(heardAt, timing.rttMs, timing.answerWindowMs);
  return { attempts: lost + 1, lost, from: attempts.firstAt, to: attempts.lastAtLatest };
}

/** The same for a peer that may limit its answers: only the probe that it answered is evidence. */
function lessonOfLimited(
  { info, since }: Reading,
  attempts: Attempts,
  heardAt: Instant,
): Lesson | null {
  if (since.flowBefore === "in-flight" || attempts.areLocal) return null;
  if (!isItsAnswer({ info, since })) return null;
  return { attempts: 1, lost: 0, from: heardAt, to: heardAt };
}

/**
 * Returns whether what was heard can only answer a probe. What acknowledges our data is counted
 * with that data ({@link RetransmitLoss}); counted twice, answers would outweigh losses.
 */
function isItsAnswer({ info, since }: Pick<Reading, "info" | "since">): boolean {
  return !isUnasked(info) && !since.progressed;
}

/** Returns whether what was heard last is data that the peer sent by itself, and no answer. */
function isUnasked({ lastAckReceivedMs = 0, lastDataReceivedMs = 0 }: TcpInfo): boolean {
  return lastAckReceivedMs >= lastDataReceivedMs;
}

const DECIDE_SLACK_MS = 100;
