import { monotonicMs } from "../../kernel/clock.ts";

/** {@link ClientWatchOptions.askIdleForMs}, unless it is given. */
export const ASK_IDLE_FOR_MS = 60_000;

/**
 * Sends the heartbeats of a client whose server counts every request as use. The server ends idle
 * clients by rules of its own, and a serverless one falls asleep: a heartbeat that never stops
 * would defeat both.
 *
 * | the program | the heartbeat |
 * |---|---|
 * | waits for an answer, or has a transaction open | is skipped |
 * | used the client not long ago | is sent |
 * | has not used the client for long | is skipped |
 * | uses the client again after that | goes ahead of the program's command |
 *
 * The adapter calls {@link used} before each command of the program.
 */
export class ClientUse {
  readonly #isFree: () => boolean;
  readonly #send: () => Promise<unknown>;
  #usedAt = monotonicMs();
  #askIdleForMs = Number.POSITIVE_INFINITY;
  #unanswered: Promise<unknown> | null = null;

  /**
   * `isFree`: the client could send a heartbeat now. `send` sends it, and resolves with the
   * server's answer.
   */
  constructor(isFree: () => boolean, send: () => Promise<unknown>) {
    this.#isFree = isFree;
    this.#send = send;
  }

  /** What happens: the program sends a command. */
  used(): void {
    const isAgain = this.#isIdle();
    this.#usedAt = monotonicMs();
    if (isAgain && !this.#unanswered && this.#isFree()) this.#ask();
  }

  /** Returns the answer to a heartbeat; `undefined` when the heartbeat is skipped. */
  ask(askIdleForMs: number): Promise<unknown> | undefined {
    this.#askIdleForMs = askIdleForMs;
    if (this.#unanswered) return this.#unanswered;
    if (this.#isFree()) return this.#isIdle() ? undefined : this.#ask();
    this.#usedAt = monotonicMs();
    return undefined;
  }

  #isIdle(): boolean {
    return monotonicMs() - this.#usedAt >= this.#askIdleForMs;
  }

  #ask(): Promise<unknown> {
    const settle = (): void => {
      this.#unanswered = null;
    };
    this.#unanswered = this.#send();
    this.#unanswered.then(settle, settle);
    return this.#unanswered;
  }
}
