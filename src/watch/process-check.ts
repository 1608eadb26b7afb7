import type { Socket } from "node:net";
import { ProcessProof } from "../core/judge/process-proof.ts";
import type { TcpInfo } from "../core/tcp-info.ts";
import type { Instant } from "../core/time/instant.ts";
import { engine } from "./engine.ts";
import { isReading } from "./handle.ts";
import type { Heartbeat, WatchDetector } from "./options.ts";
import { surface } from "./surface.ts";

interface ProofSettings {
  readonly detectWithinMs: number;
  readonly detector: WatchDetector | null;
}

/**
 * Asks one peer's process by the user's heartbeat whenever its proof has become too old. Exists
 * only where there is a heartbeat.
 */
export class ProcessCheck {
  proof: ProcessProof;
  readonly heartbeat: Heartbeat;
  readonly #socket: Socket;
  readonly #onOutcome: () => void;
  #bytesRead = 0;
  /**
   * When the peer's kernel has so many bytes in all, it has what was written before the heartbeat.
   * `null`: it has.
   */
  #bytesAhead: number | null = null;
  #bytesAcked = 0;

  /**
   * `onOutcome` is called when an answer or a failure came in, so that the state can be looked at
   * anew.
   */
  constructor(
    socket: Socket,
    heartbeat: Heartbeat,
    settings: ProofSettings,
    onOutcome: () => void,
  ) {
    this.#socket = socket;
    this.heartbeat = heartbeat;
    this.#onOutcome = onOutcome;
    this.proof = proofFor(settings);
  }

  /**
   * From now on by other settings of the same heartbeat. One that is out stays the only one, and
   * its answer counts.
   */
  restart(settings: ProofSettings): void {
    const { isAsking } = this.proof;
    this.proof = proofFor(settings);
    if (isAsking) this.proof.asked(engine.now());
  }

  /**
   * `info`: the kernel's last reading, where there is one. Returns the instant at which to look
   * again.
   */
  check(now: Instant, stalledMs: number, info: TcpInfo | null): Instant {
    const { proof } = this;
    const { bytesRead } = this.#socket;
    if (stalledMs > 0) proof.stalled(now, stalledMs);
    if (info?.lastDataReceivedMs !== undefined) proof.heard(now - info.lastDataReceivedMs);
    else if (bytesRead !== this.#bytesRead) proof.heard(now);
    this.#bytesRead = bytesRead;
    // A program that does not read cannot see an answer: that is our side, not the peer's.
    if (!isReading(this.#socket)) proof.heard(now);
    if (info) this.#waitForOwnBytes(now, info);
    const next = proof.next(now);
    if (proof.wantsHeartbeat) this.#ask(now, info);
    return next;
  }

  /**
   * A heartbeat stands in line behind what the program wrote before. While that moves, the peer
   * takes it, as slowly as it may, and owes no answer yet. A process that hangs takes no more than
   * its kernel's buffer holds.
   */
  #waitForOwnBytes(now: Instant, { bytesAcked = 0 }: TcpInfo): void {
    if (this.#bytesAhead === null || !this.proof.isAsking) return;
    if (bytesAcked > this.#bytesAcked) this.proof.delayed(now);
    this.#bytesAcked = bytesAcked;
    if (bytesAcked >= this.#bytesAhead) this.#bytesAhead = null;
  }

  #ask(now: Instant, info: TcpInfo | null): void {
    const ahead = this.#socket.writableLength + (info ? queuedBytes(info) : 0);
    this.#bytesAcked = info?.bytesAcked ?? 0;
    this.#bytesAhead = ahead > 0 ? this.#bytesAcked + ahead : null;
    this.proof.asked(now);
    const answered = (): void => {
      this.proof.answered(engine.now());
      this.#onOutcome();
    };
    const failed = (error: unknown): void => {
      this.proof.failed(engine.now(), wordsOf(error));
      this.#onOutcome();
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

function proofFor({ detectWithinMs, detector }: ProofSettings): ProcessProof {
  const now = engine.now();
  return new ProcessProof(
    detectWithinMs,
    now,
    detector && { intervalMs: detector.intervalMs, detector: detector.make(now) },
  );
}

/** Bytes that the kernel has yet to send, and at most so many in flight. */
function queuedBytes({ notSentBytes = 0, unackedSegments = 0, sendMssBytes = 0 }: TcpInfo): number {
  return notSentBytes + unackedSegments * sendMssBytes;
}

/** A rejection may be anything, also what has no words. */
function wordsOf(error: unknown): string {
  try {
    return String(error instanceof Error ? error.message : error);
  } catch {
    return "with something that is no text";
  }
}
