import type { Socket } from "node:net";
import type { Instant } from "../core/instant.ts";
import { ProcessProof } from "../core/process-proof.ts";
import { engine } from "./engine.ts";
import { isReading } from "./handle.ts";
import type { Heartbeat, WatchDetector } from "./options.ts";

interface ProofSettings {
  readonly detectWithinMs: number;
  readonly detector: WatchDetector | null;
}

/** Asks one peer's process by the user's heartbeat whenever its proof has become too old. Exists only where there is a heartbeat. */
export class ProcessCheck {
  proof: ProcessProof;
  readonly heartbeat: Heartbeat;
  readonly #socket: Socket;
  readonly #onOutcome: () => void;
  #bytesRead = 0;

  /** `onOutcome` is called when an answer or a failure came in, so that the state can be looked at anew. */
  constructor(socket: Socket, heartbeat: Heartbeat, settings: ProofSettings, onOutcome: () => void) {
    this.#socket = socket;
    this.heartbeat = heartbeat;
    this.#onOutcome = onOutcome;
    this.proof = proofFor(settings);
  }

  /** From now on by other settings of the same heartbeat. One that is out stays the only one, and its answer counts. */
  restart(settings: ProofSettings): void {
    const { isAsking } = this.proof;
    this.proof = proofFor(settings);
    if (isAsking) this.proof.asked(engine.now());
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
      else Promise.resolve(answer).then(answered, failed).catch(surfaceDetectorError);
    } catch (error) {
      failed(error);
    }
  }
}

function proofFor({ detectWithinMs, detector }: ProofSettings): ProcessProof {
  const now = engine.now();
  return new ProcessProof(detectWithinMs, now, detector && { intervalMs: detector.intervalMs, detector: detector.make(now) });
}

/** A rejection may be anything, also what has no words. */
function wordsOf(error: unknown): string {
  try {
    return String(error instanceof Error ? error.message : error);
  } catch {
    return "with something that is no text";
  }
}

/** A detector of the program's own that throws is the program's error, as a throwing listener is. */
function surfaceDetectorError(error: unknown): void {
  process.nextTick(() => {
    throw error;
  });
}
