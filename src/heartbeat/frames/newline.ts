import { TextDecoder, toUSVString } from "node:util";
import { HalfOpenError } from "../../core/errors.ts";
import {
  brokenFrame,
  byteLimit,
  type Frame,
  type FrameCodec,
  type FrameDecoder,
  tooLongToSend,
} from "./frame-codec.ts";

export interface NewlineOptions {
  /**
   * Longest line in bytes of UTF-8, both ways; 1 to 536870888, default 64 KiB. Both ends should
   * agree.
   */
  readonly maxLineBytes?: number;
}

const LINE_FEED = 0x0a;
/**
 * DLE, "data link escape". A line that begins with one DLE is a control frame. A line that begins
 * with two is a message that begins with one.
 */
const ESCAPE = "\u0010";
/** The length of V8's longest string. */
const LARGEST = 536_870_888;
const DEFAULT_BYTES = 1 << 16;
const FIRST_BYTES = 256;

/**
 * Frames a message as a line of UTF-8 text, ended by a line feed: JSON lines and the like. Messages
 * are strings without a line feed.
 * @throws HalfOpenError `ERR_OPTION_RANGE`
 */
export function newline({ maxLineBytes = DEFAULT_BYTES }: NewlineOptions = {}): FrameCodec<string> {
  const limit = byteLimit("maxLineBytes", maxLineBytes, LARGEST);
  return {
    encodeMessage(message) {
      if (typeof message !== "string" || message.includes("\n") || toUSVString(message) !== message)
        throw new HalfOpenError(
          "ERR_OPTION_RANGE",
          `a message must be a well-formed string without a line feed, got ${described(message)}; JSON.stringify turns any value into such a string`,
        );
      const bytes = Buffer.from(`${message.startsWith(ESCAPE) ? ESCAPE : ""}${message}\n`);
      if (bytes.length - 1 > limit) throw tooLongToSend(bytes.length - 1, "maxLineBytes", limit);
      return bytes;
    },
    encodeControl: (text) => Buffer.from(`${ESCAPE}${text}\n`),
    decoder: () => new NewlineDecoder(limit),
  };
}

function described(message: unknown): string {
  if (typeof message !== "string") return typeof message;
  return `one of ${message.length} characters ${message.includes("\n") ? "with a line feed" : "with half a surrogate pair"}`;
}

class NewlineDecoder implements FrameDecoder<string> {
  readonly #limit: number;
  readonly #utf8: TextDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  /**
   * The line that has begun, and free space. Grown by doubling, so a peer that sends byte by byte
   * makes us keep no more than any other.
   */
  #line: Buffer = Buffer.alloc(FIRST_BYTES);
  #length = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get isInsideFrame(): boolean {
    return this.#length > 0;
  }

  *push(bytes: Uint8Array): Iterable<Frame<string>> {
    for (let at = 0; at < bytes.length; ) {
      const end = bytes.indexOf(LINE_FEED, at);
      this.#take(bytes.subarray(at, end < 0 ? bytes.length : end));
      if (end < 0) return;
      yield this.#finish();
      at = end + 1;
    }
  }

  #take(part: Uint8Array): void {
    this.#length += part.length;
    if (this.#length > this.#limit)
      throw brokenFrame(
        `the peer sent a line longer than ${this.#limit} bytes: it does not use the same framing, or its maxLineBytes is larger`,
      );

    if (this.#length > this.#line.length) {
      const line = Buffer.alloc(
        Math.min(this.#limit, Math.max(this.#length, 2 * this.#line.length)),
      );
      this.#line.copy(line);
      this.#line = line;
    }

    this.#line.set(part, this.#length - part.length);
  }

  #finish(): Frame<string> {
    const line = this.#text();
    this.#length = 0;
    if (!line.startsWith(ESCAPE)) return { message: line };
    return line.startsWith(ESCAPE, 1) ? { message: line.slice(1) } : { control: line.slice(1) };
  }

  #text(): string {
    try {
      return this.#utf8.decode(this.#line.subarray(0, this.#length));
    } catch {
      throw brokenFrame(
        `the peer sent a line of ${this.#length} bytes that is not UTF-8: it does not use the same framing`,
      );
    }
  }
}
