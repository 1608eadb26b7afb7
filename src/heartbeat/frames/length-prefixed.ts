import { HalfOpenError } from "../../core/errors.ts";
import {
  brokenFrame,
  byteLimit,
  type Frame,
  type FrameCodec,
  type FrameDecoder,
  LONGEST_CONTROL,
  tooLongToSend,
} from "./frame-codec.ts";

export interface LengthPrefixedOptions {
  /**
   * Longest message in bytes, both ways; 1 to 2147483647, default 1 MiB. Both ends should agree.
   */
  readonly maxFrameBytes?: number;
}

const HEADER_BYTES = 4;
/** The highest bit of the length marks a control frame. */
const CONTROL_BIT = 0x8000_0000;
const LARGEST = 0x7fff_ffff;
const DEFAULT_BYTES = 1 << 20;

/**
 * Frames a message as a 4-byte big-endian length and the message's bytes: the commonest binary
 * framing. Messages are `Uint8Array`s; received ones are `Buffer`s.
 * @throws HalfOpenError `ERR_OPTION_RANGE`
 */
export function lengthPrefixed({
  maxFrameBytes = DEFAULT_BYTES,
}: LengthPrefixedOptions = {}): FrameCodec<Uint8Array> {
  const limit = byteLimit("maxFrameBytes", maxFrameBytes, LARGEST);
  return {
    encodeMessage(message) {
      if (!(message instanceof Uint8Array))
        throw new HalfOpenError(
          "ERR_OPTION_RANGE",
          `a message must be a Uint8Array or Buffer, got ${typeof message}`,
        );
      if (message.length > limit) throw tooLongToSend(message.length, "maxFrameBytes", limit);
      return frame(message.length, message);
    },
    encodeControl: (text) => frame(CONTROL_BIT + text.length, Buffer.from(text, "latin1")),
    decoder: () => new LengthPrefixedDecoder(limit),
  };
}

function frame(header: number, payload: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + payload.length);
  bytes.writeUInt32BE(header >>> 0, 0);
  bytes.set(payload, HEADER_BYTES);
  return bytes;
}

class LengthPrefixedDecoder implements FrameDecoder<Uint8Array> {
  readonly #limit: number;
  readonly #header: Buffer = Buffer.alloc(HEADER_BYTES);
  /** Bytes that have come: of the header, then, once the header is whole, of the payload. */
  #have = 0;
  #payload: Buffer | null = null;
  #isControl = false;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get isInsideFrame(): boolean {
    return this.#have > 0 || this.#payload !== null;
  }

  *push(bytes: Uint8Array): Iterable<Frame<Uint8Array>> {
    for (let at = 0; at < bytes.length || this.#isComplete; ) {
      if (this.#payload === null) at += this.#take(bytes, at, this.#header);
      else at += this.#take(bytes, at, this.#payload);

      if (this.#payload === null && this.#have === HEADER_BYTES)
        this.#beginPayload(this.#header.readUInt32BE(0));
      if (this.#isComplete) yield this.#finish();
    }
  }

  get #isComplete(): boolean {
    return this.#payload !== null && this.#have === this.#payload.length;
  }

  #take(bytes: Uint8Array, at: number, into: Buffer): number {
    const part = bytes.subarray(at, at + into.length - this.#have);
    into.set(part, this.#have);
    this.#have += part.length;
    return part.length;
  }

  #beginPayload(header: number): void {
    this.#isControl = header >= CONTROL_BIT;
    const length = this.#isControl ? header - CONTROL_BIT : header;
    const limit = this.#isControl ? LONGEST_CONTROL : this.#limit;

    if (length > limit)
      throw brokenFrame(
        `the peer announced ${this.#isControl ? "a control frame" : "a message"} of ${length} bytes, and ${limit} are allowed: it does not use the same framing, or its maxFrameBytes is larger`,
      );

    this.#payload = Buffer.alloc(length);
    this.#have = 0;
  }

  #finish(): Frame<Uint8Array> {
    const payload = this.#payload ?? Buffer.alloc(0);
    this.#payload = null;
    this.#have = 0;
    return this.#isControl ? { control: payload.toString("latin1") } : { message: payload };
  }
}
