import { Duplex } from "node:stream";
import { HalfOpenError } from "../../core/errors.ts";
import { printable } from "../../core/printable.ts";
import type { Frame, FrameCodec, FrameDecoder } from "./frame-codec.ts";
import { agreeOn, greeting } from "./frame-greeting.ts";

export interface FrameHeartbeatOptions {
  /**
   * How long the peer may take until its greeting has come, counted from the connection where that
   * is still being made, in ms; 100 to 3600000, default 10000.
   */
  readonly helloWithinMs?: number;
}

const DEFAULT_HELLO_MS = 10_000;
const SMALLEST_HELLO_MS = 100;
const LARGEST_HELLO_MS = 3_600_000;
/** A reader that is behind for a moment is not worth a frame. */
const PAUSE_WORTH_TELLING_MS = 100;

interface Question {
  readonly id: number;
  readonly answer: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/**
 * Messages of one's own protocol over a connection, with a heartbeat between them: a stream of
 * whole messages in both directions. Both ends use it, with the same codec. Frames of the heartbeat
 * never reach the program.
 *
 * What ails the peer ends the stream with an error: `ERR_PROTOCOL` for one that does not speak
 * these frames, breaks them, or shares no version; the error of the underlying stream (a
 * `DeadPeerError`, say) as it is.
 */
export class FrameChannel<Message> extends Duplex {
  readonly #source: Duplex;
  readonly #codec: FrameCodec<Message>;
  readonly #decoder: FrameDecoder<Message>;
  #version: number | null = null;
  #helloTimer: NodeJS.Timeout | null = null;
  #pauseTimer: NodeJS.Timeout | null = null;
  #isPauseTold = false;
  #isPeerPaused = false;
  #lastId = 0;
  #question: Question | null = null;
  /**
   * The newest question of the peer that could not be answered at once; its answer answers the
   * older ones too.
   */
  #owedId = 0;
  #hasEnded = false;

  constructor(source: Duplex, codec: FrameCodec<Message>, helloWithinMs: number) {
    super({ objectMode: true, allowHalfOpen: source.allowHalfOpen });
    this.#source = source;
    this.#codec = codec;
    this.#decoder = codec.decoder();
    if ("connecting" in source && source.connecting)
      source.once("connect", () => this.#awaitHello(helloWithinMs));
    else this.#awaitHello(helloWithinMs);
    source.on("data", (bytes: Uint8Array) => this.#receive(bytes));
    source.on("drain", () => this.#payDebt());
    source.on("end", () => this.#sourceEnded());
    source.on("error", (error) => this.destroy(error));
    source.on("close", () => this.#sourceClosed());
    this.#tell(greeting);
  }

  /**
   * The version of the frames that both ends agreed on; `null` before the peer's greeting has come.
   */
  get version(): number | null {
    return this.#version;
  }

  /**
   * Asks the peer's process; for `watch(socket, { heartbeat: channel.heartbeat })`. Resolves with
   * its answer, rejects when the stream closes first. Returns `undefined` where the question could
   * not arrive: the peer's program does not read, or what was written before still waits.
   */
  readonly heartbeat = (): Promise<void> | undefined => {
    if (this.destroyed) return Promise.reject(closedFirst());
    if (this.#question) return this.#question.answer;
    if (this.#isPeerPaused || this.#source.writableNeedDrain || !this.#source.writable)
      return undefined;
    const question = newQuestion(++this.#lastId);
    this.#question = question;
    this.#tell(`PING ${question.id}`);
    return question.answer;
  };

  override _write(message: Message, _encoding: string, done: (error?: Error | null) => void): void {
    try {
      const bytes = this.#codec.encodeMessage(message);
      if (!this.#source.writable)
        throw new HalfOpenError(
          "ERR_NOT_CONNECTED",
          "the connection has ended: the message was not sent",
        );
      if (this.#source.write(bytes)) done();
      else this.#whenDrained(done);
    } catch (error) {
      done(error as Error);
    }
  }

  override _final(done: (error?: Error | null) => void): void {
    if (this.#source.destroyed) done();
    else this.#source.end(() => done());
  }

  override _read(): void {
    if (this.#pauseTimer) clearTimeout(this.#pauseTimer);
    this.#pauseTimer = null;
    if (this.#isPauseTold) this.#tell("RESUME");
    this.#isPauseTold = false;
    this.#source.resume();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (this.#helloTimer) clearTimeout(this.#helloTimer);
    if (this.#pauseTimer) clearTimeout(this.#pauseTimer);
    this.#question?.reject(error ?? closedFirst());
    this.#question = null;
    // Who waits for the source itself, for its connect say, hears it too
    this.#source.destroy(error ?? undefined);
    done(error);
  }

  #receive(bytes: Uint8Array): void {
    try {
      for (const frame of this.#decoder.push(bytes)) {
        if (this.destroyed) return;
        this.#take(frame);
      }
    } catch (error) {
      this.destroy(error as Error);
    }
  }

  #take(frame: Frame<Message>): void {
    if (this.#version === null) this.#takeHello(frame);
    else if ("control" in frame) this.#takeControl(frame.control);
    else if (!this.push(frame.message)) this.#pause();
  }

  #takeHello(frame: Frame<Message>): void {
    this.#version = "control" in frame ? agreeOn(frame.control) : null;
    if (this.#version === null)
      throw stranger(
        "it sent something else before the greeting: it does not speak these frames. Use frameHeartbeat with the same codec there",
      );
    if (this.#helloTimer) clearTimeout(this.#helloTimer);
    this.#helloTimer = null;
  }

  #takeControl(control: string): void {
    if (control === "PAUSE") this.#isPeerPaused = true;
    else if (control === "RESUME") this.#isPeerPaused = false;
    else if (/^PING \d{1,15}$/.test(control)) this.#answer(Number(control.slice(5)));
    else if (/^PONG \d{1,15}$/.test(control)) this.#answered(Number(control.slice(5)));
    else
      throw stranger(
        `it sent a control frame that version ${this.#version} does not have: ${printable(JSON.stringify(control))}`,
      );
    // Whoever says that he does not read proves as much as an answer.
    if (this.#isPeerPaused) this.#settleQuestion();
  }

  /**
   * Where the peer does not take what we send, answers do not pile up: one is owed, to the newest
   * question.
   */
  #answer(id: number): void {
    if (this.#source.writableNeedDrain) this.#owedId = id;
    else this.#tell(`PONG ${id}`);
  }

  #payDebt(): void {
    if (this.#owedId === 0) return;
    this.#tell(`PONG ${this.#owedId}`);
    this.#owedId = 0;
  }

  #answered(id: number): void {
    if (id < 1 || id > this.#lastId)
      throw stranger(`it answered question ${id}, and ${this.#lastId} were asked`);
    if (this.#question && id >= this.#question.id) this.#settleQuestion();
  }

  #settleQuestion(): void {
    this.#question?.resolve();
    this.#question = null;
  }

  /**
   * The program does not read: stop reading too, and tell the peer, so that it asks for no answers
   * that would wait behind unread messages.
   */
  #pause(): void {
    this.#source.pause();
    if (this.#pauseTimer || this.#isPauseTold) return;
    this.#pauseTimer = setTimeout(() => {
      this.#pauseTimer = null;
      this.#isPauseTold = true;
      this.#tell("PAUSE");
    }, PAUSE_WORTH_TELLING_MS);
    this.#pauseTimer.unref();
  }

  #tell(control: string): void {
    if (this.destroyed || !this.#source.writable) return;
    try {
      this.#source.write(this.#codec.encodeControl(control));
    } catch (error) {
      this.destroy(error as Error); // a codec of the program's own; this may run in a timer
    }
  }

  #whenDrained(done: (error?: Error | null) => void): void {
    const settle = (): void => {
      this.#source.off("drain", settle);
      this.#source.off("close", settle);
      done();
    };
    this.#source.on("drain", settle);
    this.#source.on("close", settle);
  }

  #awaitHello(helloWithinMs: number): void {
    if (this.destroyed) return;
    this.#helloTimer = setTimeout(() => this.#expectHello(helloWithinMs), helloWithinMs);
    this.#helloTimer.unref();
  }

  /** A timer may come late, with the greeting waiting behind it: what has arrived is read first. */
  #expectHello(helloWithinMs: number): void {
    setImmediate(() => {
      if (this.#version !== null || this.destroyed) return;
      this.destroy(
        stranger(
          `it sent no greeting within ${helloWithinMs} ms: it does not speak these frames, or it hangs. Use frameHeartbeat with the same codec there`,
        ),
      );
    });
  }

  #sourceEnded(): void {
    this.#hasEnded = true;
    if (this.#version === null)
      this.destroy(stranger("it ended the connection before its greeting"));
    else if (this.#decoder.isInsideFrame)
      this.destroy(stranger("it ended the connection inside a frame"));
    else this.push(null);
  }

  /** What was received stays to be read after an orderly end. */
  #sourceClosed(): void {
    if (!this.#hasEnded) this.destroy();
    this.#question?.reject(closedFirst());
    this.#question = null;
  }
}

/**
 * Puts a heartbeat into one's own protocol: returns a stream of whole messages over `source`, a
 * `net.Socket` or any other Duplex, whose `heartbeat` goes to `watch`. Both ends use it with the
 * same codec ({@link lengthPrefixed}, {@link newline}, or one of your own).
 *
 * ```ts
 * const channel = frameHeartbeat(socket, newline());
 * watch(socket, { detectWithinMs: 5000, heartbeat: channel.heartbeat });
 * channel.on("data", (line) => channel.write(`you said ${line}`));
 * ```
 *
 * @throws HalfOpenError `ERR_OPTION_RANGE`, `ERR_NOT_CONNECTED` for a destroyed stream
 */
export function frameHeartbeat<Message>(
  source: Duplex,
  codec: FrameCodec<Message>,
  { helloWithinMs = DEFAULT_HELLO_MS }: FrameHeartbeatOptions = {},
): FrameChannel<Message> {
  if (!(source instanceof Duplex))
    throw refused(`a net.Socket or another Duplex is needed, got ${typeof source}`);
  if (source.destroyed)
    throw new HalfOpenError("ERR_NOT_CONNECTED", "the stream is destroyed; begin while it is open");
  for (const name of ["encodeMessage", "encodeControl", "decoder"] as const)
    if (typeof codec?.[name] !== "function")
      throw refused(
        `codec has no ${name}(): use lengthPrefixed(), newline(), or one of your own with it`,
      );
  if (!(helloWithinMs >= SMALLEST_HELLO_MS && helloWithinMs <= LARGEST_HELLO_MS))
    throw refused(
      `helloWithinMs must be a number of milliseconds from ${SMALLEST_HELLO_MS} to ${LARGEST_HELLO_MS}, got ${String(helloWithinMs)}`,
    );
  return new FrameChannel(source, codec, helloWithinMs);
}

function newQuestion(id: number): Question {
  let resolve = (): void => {};
  let reject: (error: Error) => void = resolve;
  const answer = new Promise<void>((onAnswer, onFailure) => {
    resolve = onAnswer;
    reject = onFailure;
  });
  // Whoever asked has the promise; a stream that closes must not end the program for one that
  // nobody waits for.
  answer.catch(() => {});
  return { id, answer, resolve, reject };
}

function closedFirst(): HalfOpenError {
  return new HalfOpenError("ERR_NOT_CONNECTED", "the stream closed before the peer answered");
}

function stranger(what: string): HalfOpenError {
  return new HalfOpenError("ERR_PROTOCOL", `the peer cannot be understood: ${what}`);
}

function refused(message: string): HalfOpenError {
  return new HalfOpenError("ERR_OPTION_RANGE", message);
}
