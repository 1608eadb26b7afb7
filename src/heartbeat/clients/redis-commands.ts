import { ownTimeoutMs } from "./own-timeout.ts";

/** A command of the client's own. */
export interface OwnCommand {
  readonly name: string;
  readonly args: readonly unknown[];
  /** Settles with the server's answer, or when the client gives the command up. */
  readonly promise: Promise<unknown>;
}

/**
 * Once one of these is answered, every reply belongs to the program: an answer to a question would
 * come among them.
 */
const BEGINS = new Set(["multi", "monitor"]);
const ENDS = new Set(["exec", "discard", "reset"]);

/**
 * Decides when a Redis process can be asked. Redis answers in order, so a question behind a command
 * of the client's own is answered after it:
 *
 * | the client | the process |
 * |---|---|
 * | waits for nothing | is asked by PING |
 * | its answer is due: promised within a time that is over | need not: that answer proves it |
 * | waits for any other answer | is not asked, and only its host is judged |
 * | is between MULTI and EXEC, or monitors | is not asked: the replies are the program's own |
 */
export class RedisCommands {
  readonly #front: () => OwnCommand | undefined;
  readonly #ping: () => Promise<unknown>;
  /** When it was a command's turn to be answered. */
  readonly #turns: WeakMap<OwnCommand, number> = new WeakMap();
  #areRepliesTheirs = false;

  /**
   * `front` tells of the command whose answer comes next, `undefined` where the client waits for
   * none.
   */
  constructor(front: () => OwnCommand | undefined, ping: () => Promise<unknown>) {
    this.#front = front;
    this.#ping = ping;
  }

  /** A new connection begins without a transaction. */
  connected(): void {
    this.#areRepliesTheirs = false;
  }

  /**
   * `isFirst`: nothing that is unanswered was sent before. A command that is sent again is told of
   * again.
   */
  sent(command: OwnCommand, isFirst: boolean): void {
    if (isFirst && ownTimeoutMs(command.name, command.args) !== null)
      this.#turns.set(command, performance.now());
    else this.#turns.delete(command);
    const name = command.name.toLowerCase();
    const end = (): void => {
      this.#areRepliesTheirs = false;
    };
    if (ENDS.has(name)) command.promise.then(end, end);
    else if (BEGINS.has(name))
      command.promise.then(
        () => {
          this.#areRepliesTheirs = true;
        },
        () => {},
      );
  }

  /** A heartbeat: `undefined` while the process cannot be asked. */
  ask(): Promise<unknown> | undefined {
    if (this.#areRepliesTheirs) return undefined;
    const front = this.#front();
    if (front === undefined) return this.#ping();
    const timeoutMs = ownTimeoutMs(front.name, front.args);
    if (timeoutMs === null || performance.now() < this.#turnOf(front) + timeoutMs) return undefined;
    // An error that the server answers is an answer. A command that the client gave up is still
    // unanswered.
    return front.promise.catch((error: unknown) => {
      if (this.#front() === front) throw error;
    });
  }

  /**
   * A command that came to the front unseen is held to have come there now: what it is given too
   * much harms nobody.
   */
  #turnOf(front: OwnCommand): number {
    const turn = this.#turns.get(front) ?? performance.now();
    this.#turns.set(front, turn);
    return turn;
  }
}
