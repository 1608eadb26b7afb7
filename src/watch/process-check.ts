import type { Socket } from "node:net";
import type { Instant } from "../core/instant.ts";
import { ProcessProof } from "../core/process-proof.ts";
import { engine } from "./engine.ts";
import { isReading } from "./handle.ts";
import type { Heartbeat, WatchDetector } from "./options.ts";

export interface ProcessCheckSettings {
  readonly heartbeat: Heartbeat;
  readonly detectWithinMs: number;
  readonly detector: WatchDetector | null;
}

/** Asks one peer's process by the user's heartbeat whenever its proof has become too old. Exists only where there is a heartbeat. */
export class ProcessCheck {
  readonly proof: ProcessProof;
  readonly #socket: Socket;
  readonly #heartbeat: Heartbeat;
  readonly #onOutcome: () => void;
  #bytesRead = 0;

  /** `onOutcome` is called when an answer or a failure came in, so that the state can be looked at anew. */
  constructor(socket: Socket, settings: ProcessCheckSettings, onOutcome: () => void) {
    this.#socket = socket;
    this.#heartbeat = settings.heartbeat;
    this.#onOutcome = onOutcome;
    const now = engine.now();
    const { detector } = settings;
    this.proof = new ProcessProof(
      settings.detectWithinMs,
      now,
      detector && { intervalMs: detector.intervalMs, detector: detector.make(now) },
    );
  }

  /** `dataAgeMs`: how long ago data came, where the kernel tells. Returns the instant at which to look again. */
  check(now: Instant, stalledMs: number, dataAgeMs: number | undefined): Instant {
    const { proof } = this;
    const { bytesRead } = this.#socket;
    if (stalledMs > 0) proof.stalled(now, stalledMs);
    if (dataAgeMs !== undefined) proof.heard(now - dataAgeMs);
    else if (bytesRead !== this.#bytesRead) proof.heard(now);
    this.#bytesRead = bytesRead;
    // A program that does not read cannot see an answer: that is our side, not the peer's.
    if (!isReading(this.#socket)) proof.heard(now);
    const next = proof.next(now);
    if (proof.wantsHeartbeat) this.#ask(now);
    return next;
  }

  #ask(now: Instant): void {
    const { proof } = this;
    proof.asked(now);
    const answered = (): void => {
      proof.answered(engine.now());
      this.#onOutcome();
    };
    const failed = (error: unknown): void => {
      proof.failed(engine.now(), error instanceof Error ? error.message : String(error));
      this.#onOutcome();
    };
    try {
      const answer = this.#heartbeat();
      if (answer === undefined) proof.excused(now);
      else Promise.resolve(answer).then(answered, failed).catch(surfaceDetectorError);
    } catch (error) {
      failed(error);
    }
  }
}

/** A detector of the program's own that throws is the program's error, as a throwing listener is. */
function surfaceDetectorError(error: unknown): void {
  process.nextTick(() => {
    throw error;
  });
}
