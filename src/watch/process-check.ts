import type { Socket } from "node:net";
import { ProcessProof } from "../core/judge/process-proof.ts";
import { HEARD_SLACK_MS } from "../core/judge/reading.ts";
import type { TcpInfo } from "../core/tcp-info.ts";
import type { Instant } from "../core/time/instant.ts";
import { engine } from "./engine.ts";
import { isReading } from "./handle.ts";
import type { HostCheck } from "./host/host-check.ts";
import type { ClientHeartbeat, WatchDetector } from "./options.ts";
import { surface } from "./surface.ts";

/** The connection that the evidence is of. An object, because functions for each cost 100 B. */
export interface EvidenceOwner {
  /** The socket that the program uses; a TLSSocket may be put over it later. */
  readonly top: Socket;
  /** Checks at once, because a heartbeat was answered or failed. */
  recheck(): void;
}

/** The evidence of the peer's kernel. */
type Host = Pick<HostCheck, "info" | "heardAt" | "loss">;

interface ProofSettings {
  readonly detectWithinMs: number;
  readonly detector: WatchDetector | null;
  readonly isAnswerOwed: boolean;
  readonly atDeadline: "wait" | "end";
}

/**
 * Checks one peer's process by the user's heartbeat whenever its last sign of life is too old.
 * Exists only if there is a heartbeat.
 */
export class ProcessCheck {
  proof: ProcessProof;
  readonly heartbeat: ClientHeartbeat;
  readonly #owner: EvidenceOwner;
  #bytesRead = 0;
  /**
   * The count of acknowledged bytes at which the peer's kernel has all that was written before the
   * heartbeat; `null` once it has.
   */
  #bytesAhead: number | null = null;
  #bytesAcked = 0;
  #settings: ProofSettings;
  /** When the first heartbeat of this silence left, and when the host was first heard since. */
  #askedAt: Instant = 0;
  #arrivedAt: Instant = 0;

  constructor(heartbeat: ClientHeartbeat, settings: ProofSettings, owner: EvidenceOwner) {
    this.heartbeat = heartbeat;
    this.#owner = owner;
    this.proof = proofFor(settings, settings.isAnswerOwed);
    this.#settings = settings;
  }

  /**
   * The program has ended the connection or its client: nothing can be asked any more, and what was
   * asked before may stay unanswered.
   */
  get isOver(): boolean {
    return this.#owner.top.writableEnded || this.heartbeat.hasEnded?.() === true;
  }

  /**
   * Returns whether the answer may still be on its way at the end of the budget
   * (docs/internals/evidence.md#the-process):
   *
   * - The host was heard for the first time since the heartbeat left only just now, so the
   *   heartbeat came late.
   * - The path loses again and again: heartbeat or answer may be lost, and the kernels repeat them
   *   ever more rarely.
   */
  mayBeAnswered(now: Instant, host: Host | null): boolean {
    if (host === null || !isPatient(this.#settings)) return false;
    const { detectWithinMs } = this.#settings;
    const hasArrived = this.#arrivedAt !== Number.POSITIVE_INFINITY;
    if (hasArrived && now < this.#arrivedAt + ANSWER_SHARE * detectWithinMs) return true;
    return host.loss.isRepeated && this.proof.silentForMs(now) < 2 * detectWithinMs;
  }

  /**
   * Goes on with other settings of the same heartbeat. A pending call stays the only one, and its
   * answer counts.
   */
  restart(settings: ProofSettings): void {
    const { isAsking, isBelieved } = this.proof;
    this.#settings = settings;
    this.proof = proofFor(settings, isBelieved || settings.isAnswerOwed);
    if (isAsking) this.proof.asked(engine.now());
  }

  /** `host`: the evidence of the peer's kernel, if there is any. Returns the next deadline. */
  check(now: Instant, stalledMs: number, host: Host | null): Instant {
    const { proof } = this;
    const info = host?.info ?? null;
    const { bytesRead = 0 } = this.#owner.top; // a stream that is no socket has none
    if (stalledMs > 0) proof.stalled(now, stalledMs);
    if (info?.lastDataReceivedMs !== undefined) proof.heard(now - info.lastDataReceivedMs);
    else if (bytesRead !== this.#bytesRead) proof.heard(now);
    this.#bytesRead = bytesRead;
    // A program that does not read cannot see an answer: that is our side, not the peer's.
    if (!isReading(this.#owner.top)) proof.heard(now);
    if (info) this.#waitForOwnBytes(now, info);
    // On a short path the acknowledgment comes within a tick of the kernel's clock.
    if (host && host.heardAt > this.#askedAt - HEARD_SLACK_MS)
      this.#arrivedAt = Math.min(this.#arrivedAt, host.heardAt) + stalledMs;
    const next = proof.next(now);
    if (!proof.wantsHeartbeat) return next;
    this.#ask(now, info);
    return Math.min(next, now + ARRIVAL_SHARE * this.#settings.detectWithinMs);
  }

  /**
   * Puts the deadline of the heartbeat off while the bytes queued before it advance. The peer still
   * takes them, however slowly, and owes no answer yet. A process that hangs takes no more than its
   * kernel's buffer holds.
   */
  #waitForOwnBytes(now: Instant, { bytesAcked = 0 }: TcpInfo): void {
    if (this.#bytesAhead === null || !this.proof.isAsking) return;
    if (bytesAcked > this.#bytesAcked) this.proof.delayed(now);
    this.#bytesAcked = bytesAcked;
    if (bytesAcked >= this.#bytesAhead) this.#bytesAhead = null;
  }

  #ask(now: Instant, info: TcpInfo | null): void {
    const ahead = this.#owner.top.writableLength + (info ? queuedBytes(info) : 0);
    this.#bytesAcked = info?.bytesAcked ?? 0;
    this.#bytesAhead = ahead > 0 ? this.#bytesAcked + ahead : null;
    if (this.#askedAt <= this.proof.heardAt) {
      this.#askedAt = now;
      this.#arrivedAt = Number.POSITIVE_INFINITY;
    }
    this.proof.asked(now);
    const answered = (): void => {
      this.proof.answered(engine.now());
      this.#owner.recheck();
    };
    const failed = (error: unknown): void => {
      this.proof.failed(engine.now(), wordsOf(error));
      this.#owner.recheck();
    };
    try {
      const answer = this.heartbeat();
      if (answer === undefined) this.proof.excused(now);
      else Promise.resolve(answer).then(answered, failed).catch(surface);
    } catch (error) {
      failed(error);
    }
  }
}

/** The share of the budget that a process has for its answer, once its kernel has the heartbeat. */
const ANSWER_SHARE = 0.4;

/** After this share of the budget a reading shows whether the peer's kernel has the heartbeat. */
const ARRIVAL_SHARE = 0.1;

/** The end of the budget is not final. A detector of the program's own decides by itself. */
function isPatient({ detector, atDeadline }: ProofSettings): boolean {
  return atDeadline === "wait" && detector === null;
}

function proofFor({ detectWithinMs, detector }: ProofSettings, isBelieved: boolean): ProcessProof {
  const now = engine.now();
  return new ProcessProof(
    detectWithinMs,
    now,
    detector && { intervalMs: detector.intervalMs, detector: detector.make(now) },
    isBelieved,
  );
}

/** Returns the bytes that the kernel has yet to send, plus an upper bound of those in flight. */
function queuedBytes({ notSentBytes = 0, unackedSegments = 0, sendMssBytes = 0 }: TcpInfo): number {
  return notSentBytes + unackedSegments * sendMssBytes;
}

/** Returns the text of a rejection, which may be any value, even one that has no text. */
function wordsOf(error: unknown): string {
  try {
    return String(error instanceof Error ? error.message : error);
  } catch {
    return "a value that cannot be made text";
  }
}
