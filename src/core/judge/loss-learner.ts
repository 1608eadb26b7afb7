import type { TcpInfo } from "../tcp-info.ts";
import type { Instant } from "../time/instant.ts";
import type { Attempts } from "./attempts.ts";
import type { Lesson } from "./loss-belief.ts";
import type { PathLoss } from "./path-loss.ts";
import type { PathTiming } from "./path-timing.ts";
import type { Reading, Snapshot } from "./reading.ts";
import { RetransmitLoss } from "./retransmit-loss.ts";

/** Learns from one connection what its path loses, whenever the peer was heard. */
export class LossLearner {
  readonly #loss: PathLoss;
  readonly #retransmits: RetransmitLoss = new RetransmitLoss();

  constructor(loss: PathLoss) {
    this.#loss = loss;
  }

  /** What happened: the first reading. */
  begin({ info }: Reading): void {
    this.#retransmits.begin(info);
  }

  /**
   * What happened: a reading ended a silence, however short, in which `attempts` went unanswered.
   * `isEachAnswered`: the peer answers each probe that arrives.
   */
  heard(
    reading: Reading,
    attempts: Attempts,
    heardAt: Instant,
    timing: PathTiming,
    isEachAnswered: boolean,
  ): void {
    const lesson = isEachAnswered
      ? lessonOf(reading, attempts, heardAt, timing)
      : lessonOfLimited(reading, attempts, heardAt);
    if (lesson) this.#loss.record(lesson);

    const { at } = reading;
    const [from, to] = attempts.count > 0 ? [attempts.firstAt, attempts.lastAtLatest] : [at, at];
    const isOutage = this.#loss.isOutage(attempts.proving);
    this.#retransmits.acknowledged(this.#loss, reading, from, to, isOutage);
  }

  /** A loss was seen that is not learned yet. */
  isWaiting({ info }: Snapshot): boolean {
    return this.#retransmits.isWaiting(info);
  }
}

/** Returns what the probes of a silence show about the path's loss; `null`: nothing. */
function lessonOf(
  { info, since }: Reading,
  attempts: Attempts,
  heardAt: Instant,
  timing: PathTiming,
): Lesson | null {
  if (since.flowBefore === "in-flight" || attempts.areLocal) return null;
  if (attempts.count === 0 && isUnasked(info)) return null;
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
  if (since.flowBefore === "in-flight" || attempts.areLocal || isUnasked(info)) return null;
  return { attempts: 1, lost: 0, from: heardAt, to: heardAt };
}

/** Returns whether what was heard last is data that the peer sent by itself, and no answer. */
function isUnasked({ lastAckReceivedMs = 0, lastDataReceivedMs = 0 }: TcpInfo): boolean {
  return lastAckReceivedMs >= lastDataReceivedMs;
}
