import { HalfOpenError } from "../../core/errors.ts";

/**
 * What came over the wire: a message of the program, or a control frame of {@link FrameChannel}.
 */
export type Frame<Message> = { readonly message: Message } | { readonly control: string };

/** Cuts one direction of a connection into frames. */
export interface FrameDecoder<Message> {
  /** Whether the bytes so far end inside a frame. */
  readonly isInsideFrame: boolean;
  /**
   * Takes the next bytes, cut anywhere, and yields the frames that they complete. What it keeps
   * must stay bounded: it throws as soon as a frame is longer than allowed, before it has come
   * whole.
   */
  push(bytes: Uint8Array): Iterable<Frame<Message>>;
}

/**
 * How messages and control frames look on the wire. Ready ones: {@link lengthPrefixed} and {@link
 * newline}. One of your own must tell the two kinds apart whatever a message holds.
 */
export interface FrameCodec<Message> {
  /** @throws for what cannot be a message, or is too long */
  encodeMessage(message: Message): Uint8Array;
  /** `text` is up to {@link LONGEST_CONTROL} printable ASCII characters. */
  encodeControl(text: string): Uint8Array;
  /** A decoder for one connection. */
  decoder(): FrameDecoder<Message>;
}

/** Longest control frame, in bytes: what a hostile peer can make us keep for one. */
export const LONGEST_CONTROL = 64;

/** What the peer sent cannot be understood, or is longer than allowed. */
export function brokenFrame(message: string): HalfOpenError {
  return new HalfOpenError("ERR_PROTOCOL", message);
}

/** A limit in bytes, checked. @throws HalfOpenError `ERR_OPTION_RANGE` */
export function byteLimit(name: string, value: number, largest: number): number {
  if (Number.isInteger(value) && value >= 1 && value <= largest) return value;
  throw new HalfOpenError(
    "ERR_OPTION_RANGE",
    `${name} must be a whole number of bytes from 1 to ${largest}, got ${String(value)}`,
  );
}

/** A message of the program's own that is too long to be sent. */
export function tooLongToSend(bytes: number, name: string, limit: number): HalfOpenError {
  return new HalfOpenError(
    "ERR_OPTION_RANGE",
    `a message of ${bytes} bytes is longer than ${name}, which is ${limit}: split it, or raise it at both ends`,
  );
}
