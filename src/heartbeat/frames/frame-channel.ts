import { Duplex } from "node:stream";
import { HalfOpenError } from "../../core/errors.ts";
import { printable } from "../../core/printable.ts";
import { afterPoll, startTimer, stopTimer } from "../../kernel/clock.ts";
import { brokenProtocol, type Frame, type FrameCodec, type FrameDecoder } from "./frame-codec.ts";
import { agreeOn, greeting } from "./frame-greeting.ts";
import { closedBeforeAnswer, PingExchange } from "./ping-exchange.ts";

/** A reader that falls behind for a shorter time is not worth a PAUSE. */
const SHORTEST_PAUSE_MS = 100;

/**
 * A stream of whole messages in both directions over a connection, with a heartbeat between them.
 * Both ends use one, with the same codec. The program never sees the heartbeat's frames.
 *
 * A fault of the peer ends the stream with an error. `ERR_PROTOCOL`: the peer does not speak these
 * frames, breaks them, or shares no version. An error of the underlying stream (a `DeadPeerError`,
 * say) is passed on as it is.
 */
export class FrameChannel<Message> extends Duplex {
  readonly #source: Duplex;
  readonly #codec: FrameCodec<Message>;
  readonly #decoder: FrameDecoder<Message>;
  readonly #pings: PingExchange = new PingExchange((control) => this.#sendControl(control));
  #version: number | null = null;
  #helloTimer: NodeJS.Timeout | null = null;
  #pauseTimer: NodeJS.Timeout | null = null;
  #hasSentPause = false;
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
    source.on("drain", () => this.#pings.drained());
    source.on("end", () => this.#sourceEnded());
    source.on("error", (error) => this.destroy(error));
    source.on("close", () => this.#sourceClosed());

    this.#sendControl(greeting);
  }

  /**
   * The version of the frames that both ends agreed on; `null` before the peer's greeting has come.
   */
  get version(): number | null {
    return this.#version;
  }

  /**
   * Sends a ping to the peer's process; for `watch(socket, { heartbeat: channel.heartbeat })`.
   * Resolves with the answer, rejects when the stream closes first. Returns `undefined` while a
   * ping could not arrive: the peer's program does not read, or earlier writes still wait.
   */
  readonly heartbeat = (): Promise<void> | undefined => {
    if (this.destroyed) return Promise.reject(closedBeforeAnswer());
    return this.#pings.ping(this.#source.writableNeedDrain || !this.#source.writable);
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
    if (this.#pauseTimer) stopTimer(this.#pauseTimer);
    this.#pauseTimer = null;

    if (this.#hasSentPause) this.#sendControl("RESUME");
    this.#hasSentPause = false;
    this.#source.resume();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (this.#helloTimer) stopTimer(this.#helloTimer);
    if (this.#pauseTimer) stopTimer(this.#pauseTimer);
    this.#pings.closed(error ?? closedBeforeAnswer());
    // Listeners of the source itself, say for its connect, get the error too
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
      throw brokenProtocol(
        "it sent something else before the greeting: it does not speak these frames. Use frameHeartbeat with the same codec there",
      );

    if (this.#helloTimer) stopTimer(this.#helloTimer);
    this.#helloTimer = null;
  }

  #takeControl(control: string): void {
    if (!this.#pings.received(control, this.#source.writableNeedDrain))
      throw brokenProtocol(
        `it sent a control frame that version ${this.#version} does not have: ${printable(JSON.stringify(control))}`,
      );
  }

  /**
   * The program does not read: stops reading too, and sends a PAUSE. A ping of the peer would wait
   * behind the unread messages.
   */
  #pause(): void {
    this.#source.pause();
    if (this.#pauseTimer || this.#hasSentPause) return;

    this.#pauseTimer = startTimer(() => {
      this.#pauseTimer = null;
      this.#hasSentPause = true;
      this.#sendControl("PAUSE");
    }, SHORTEST_PAUSE_MS);
    this.#pauseTimer.unref();
  }

  #sendControl(control: string): void {
    if (this.destroyed || !this.#source.writable) return;
    try {
      this.#source.write(this.#codec.encodeControl(control));
    } catch (error) {
      // The program's own codec threw, perhaps in a timer, where nobody would catch it
      this.destroy(error as Error);
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
    this.#helloTimer = startTimer(() => this.#expectHello(helloWithinMs), helloWithinMs);
    this.#helloTimer.unref();
  }

  /** A late timer may fire before a greeting that has arrived: reads what has arrived first. */
  #expectHello(helloWithinMs: number): void {
    afterPoll(() => {
      if (this.#version !== null || this.destroyed) return;
      this.destroy(
        brokenProtocol(
          `it sent no greeting within ${helloWithinMs} ms: it does not speak these frames, or it hangs. Use frameHeartbeat with the same codec there`,
        ),
      );
    });
  }

  #sourceEnded(): void {
    this.#hasEnded = true;
    if (this.#version === null)
      this.destroy(brokenProtocol("it ended the connection before its greeting"));
    else if (this.#decoder.isInsideFrame)
      this.destroy(brokenProtocol("it ended the connection inside a frame"));
    else this.push(null);
  }

  /** After an orderly end, received messages stay readable. */
  #sourceClosed(): void {
    if (!this.#hasEnded) this.destroy();
    this.#pings.closed(closedBeforeAnswer());
  }
}
