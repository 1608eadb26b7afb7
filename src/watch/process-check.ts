import type { Socket } from "node:net";
import { ProcessProof } from "../core/judge/process-proof.ts";
import type { TcpInfo } from "../core/tcp-info.ts";
import type { Instant } from "../core/time/instant.ts";
import { engine } from "./engine.ts";
import { isReading } from "./handle.ts";
import type { ClientHeartbeat, WatchDetector } from "./options.ts";
import { surface } from "./surface.ts";

/** The connection that the evidence is of. An object, because functions for each cost 100 B. */
export interface EvidenceOwner {
  /** The socket that the program uses; a TLSSocket may be put over it later. */
  readonly top: Socket;
  /** Checks at once, because a heartbeat was answered or failed. */
  recheck(): void;
}

interface ProofSettings {
  readonly detectWithinMs: number;
  readonly detector: WatchDetector | null;
  readonly isAnswerOwed: boolean;
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

  constructor(heartbeat: ClientHeartbeat, settings: ProofSettings, owner: EvidenceOwner) {
    this.heartbeat = heartbeat;
    this.#owner = owner;
    this.proof = proofFor(settings, settings.isAnswerOwed);
  }

  /**
   * The program has ended the connection or its client: nothing can be asked any more, and what was
   * asked before may stay unanswered.
   */
  get isOver(): boolean {
    return this.#owner.top.writableEnded || this.heartbeat.hasEnded?.() === true;
  }

  /**
   * Goes on with other settings of the same heartbeat. A pending call stays the only one, and its
   * answer counts.
   */
  restart(settings: ProofSettings): void {
    const { isAsking, isBelieved } = this.proof;
    this.proof = proofFor(settings, isBelieved || settings.isAnswerOwed);
    if (isAsking) this.proof.asked(engine.now());
  }

  /** `info`: the kernel's last reading, if there is one. Returns the next deadline. */
  check(now: Instant, stalledMs: number, info: TcpInfo | null): Instant {
    const { proof } = this;
    const { bytesRead = 0 } = this.#owner.top; // a stream that is no socket has none
    if (stalledMs > 0) proof.stalled(now, stalledMs);
    if (info?.lastDataReceivedMs !== undefined) proof.heard(now - info.lastDataReceivedMs);
    else if (bytesRead !== this.#bytesRead) proof.heard(now);
    this.#bytesRead = bytesRead;
    // A program that does not read cannot see an answer: that is our side, not the peer's.
    if (!isReading(this.#owner.top)) proof.heard(now);
    if (info) this.#waitForOwnBytes(now, info);
    const next = proof.next(now);
    if (proof.wantsHeartbeat) this.#ask(now, info);
    return next;
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
