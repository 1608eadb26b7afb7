import { monotonicMs } from "../../kernel/clock.ts";
import { ClientUse } from "./client-use.ts";
import { ownTimeoutMs } from "./own-timeout.ts";

/** A command that the client sent for the program. */
export interface OwnCommand {
  readonly name: string;
  readonly args: readonly unknown[];
  /** Settles with the server's answer, or when the client gives the command up. */
  readonly promise: Promise<unknown>;
}

/**
 * Commands after whose answer every reply belongs to the program. The answer to a PING would come
 * among these replies.
 */
const BEGINS = new Set(["multi", "monitor"]);
const ENDS = new Set(["exec", "discard", "reset"]);

/**
 * Chooses the heartbeat of a Redis process. Redis answers in order, so a PING behind a command of
 * the client's own is answered after that command:
 *
 * | the client | the heartbeat |
 * |---|---|
 * | waits for nothing | is a PING |
 * | waits for an answer that was promised at once, or within a time that is over | is that answer |
 * | waits for any other answer | is skipped: only the host is judged |
 * | is between MULTI and EXEC, or monitors | is skipped: the replies are the program's own |
 * | has quit | is skipped for good |
 */
export class RedisCommands {
  readonly #front: () => OwnCommand | undefined;
  readonly #use: ClientUse;
  /** The instant from which a command was the next to be answered. */
  readonly #turns: WeakMap<OwnCommand, number> = new WeakMap();
  #areRepliesTheirs = false;
  /** The program has sent QUIT, which the server answers by closing the connection. */
  hasQuit = false;

  /**
   * `front` returns the command whose answer comes next; `undefined` when the client waits for
   * none. `isReady`: the client sends commands at once. `ping` sends PING.
   */
  constructor(
    front: () => OwnCommand | undefined,
    isReady: () => boolean,
    ping: () => Promise<unknown>,
  ) {
    this.#front = front;
    const isFree = (): boolean => isReady() && !this.#areRepliesTheirs && front() === undefined;
    this.#use = new ClientUse(isFree, ping);
  }

  /** A new connection begins without a transaction or a QUIT. */
  connected(): void {
    this.#areRepliesTheirs = false;
    this.hasQuit = false;
  }

  /** Called before a command is sent. After a long rest, a PING goes ahead of it. */
  sends(name: string): void {
    if (name.toLowerCase() !== "ping") this.#use.used();
  }

  /**
   * Records that a command was sent. `isFirst`: no unanswered command was sent before it. A command
   * that is sent again is recorded again.
   */
  sent(command: OwnCommand, isFirst: boolean): void {
    if (isFirst && (ownTimeoutMs(command.name, command.args) ?? 0) > 0)
      this.#turns.set(command, monotonicMs());
    else this.#turns.delete(command);

    const name = command.name.toLowerCase();
    if (name === "quit") this.hasQuit = true;
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

  /** Returns the answer to the heartbeat; `undefined` when the heartbeat is skipped. */
  ask(askIdleForMs: number): Promise<unknown> | undefined {
    if (this.hasQuit) return undefined;
    const ping = this.#use.ask(askIdleForMs);
    const front = this.#front();
    if (ping || front === undefined || this.#areRepliesTheirs) return ping;

    const timeoutMs = ownTimeoutMs(front.name, front.args);
    if (timeoutMs === null) return undefined;
    if (timeoutMs > 0 && monotonicMs() < this.#turnOf(front) + timeoutMs) return undefined;

    // An error from the server is an answer. A command that the client gave up stays at the front,
    // still unanswered.
    return front.promise.catch((error: unknown) => {
      if (this.#front() === front) throw error;
    });
  }

  /**
   * A command that came to the front unseen counts as having come there now. The extra time only
   * delays the verdict.
   */
  #turnOf(front: OwnCommand): number {
    const turn = this.#turns.get(front) ?? monotonicMs();
    this.#turns.set(front, turn);
    return turn;
  }
}
