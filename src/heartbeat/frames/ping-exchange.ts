import { HalfOpenError } from "../../core/errors.ts";
import { brokenProtocol } from "./frame-codec.ts";

/**
 * The pings of one `FrameChannel`, in both directions.
 *
 * Ours: while one is open, each further ping is sent too, and shares its answer. The first PONG to
 * any of them resolves all, and so does a PAUSE: either proves that the peer's process runs. While
 * the peer is paused, a ping would wait behind unread messages.
 *
 * The peer's: each ping is answered at once. While the peer does not read, answers do not pile up:
 * one is owed, to the newest ping, and answers the older ones too.
 */
export class PingExchange {
  readonly #send: (control: string) => void;
  #lastId = 0;
  #open: OpenPing | null = null;
  /** The peer's newest ping that could not be answered at once; 0 for none. */
  #owedId = 0;
  #isPeerPaused = false;

  /** `send` writes a control frame to the peer. */
  constructor(send: (control: string) => void) {
    this.#send = send;
  }

  /**
   * Sends a ping and returns the answer to it, or to the open one before it. A ping that could not
   * arrive is not sent: the peer is paused, or `isBlocked`. `undefined` if none is open then.
   */
  ping(isBlocked: boolean): Promise<void> | undefined {
    if (this.#isPeerPaused || isBlocked) return this.#open?.answer;
    const id = ++this.#lastId;
    this.#open ??= newPing(id);
    const { answer } = this.#open;
    this.#send(`PING ${id}`);
    return answer;
  }

  /**
   * Takes a control frame of the peer; returns `false` for an unknown one. While `isBlocked`, an
   * answer is owed until {@link drained}.
   *
   * @throws HalfOpenError `ERR_PROTOCOL` for the answer to a ping that was never sent
   */
  received(control: string, isBlocked: boolean): boolean {
    if (control === "PAUSE") {
      this.#isPeerPaused = true;
      this.#resolveOpen();
    } else if (control === "RESUME") this.#isPeerPaused = false;
    else if (/^PING \d{1,15}$/.test(control)) this.#pinged(Number(control.slice(5)), isBlocked);
    else if (/^PONG \d{1,15}$/.test(control)) this.#ponged(Number(control.slice(5)));
    else return false;
    return true;
  }

  /** Sends the owed answer: the peer reads again. */
  drained(): void {
    if (this.#owedId === 0) return;
    this.#send(`PONG ${this.#owedId}`);
    this.#owedId = 0;
  }

  /** Rejects the open ping. */
  closed(error: Error): void {
    this.#open?.reject(error);
    this.#open = null;
  }

  #pinged(id: number, isBlocked: boolean): void {
    if (isBlocked) this.#owedId = id;
    else this.#send(`PONG ${id}`);
  }

  #ponged(id: number): void {
    if (id < 1 || id > this.#lastId)
      throw brokenProtocol(`it answered ping ${id}, and ${this.#lastId} were sent`);
    if (this.#open && id >= this.#open.id) this.#resolveOpen();
  }

  #resolveOpen(): void {
    this.#open?.resolve();
    this.#open = null;
  }
}

/** The error of a ping that the peer can no longer answer. */
export function closedBeforeAnswer(): HalfOpenError {
  return new HalfOpenError("ERR_NOT_CONNECTED", "the stream closed before the peer answered");
}

interface OpenPing {
  readonly id: number;
  readonly answer: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

function newPing(id: number): OpenPing {
  let resolve = (): void => {};
  let reject: (error: Error) => void = resolve;
  const answer = new Promise<void>((onAnswer, onFailure) => {
    resolve = onAnswer;
    reject = onFailure;
  });
  // The caller may have dropped the promise. Without a handler, the rejection at the stream's end
  // would end the program.
  answer.catch(() => {});
  return { id, answer, resolve, reject };
}
