import { HalfOpenError } from "../../core/errors.ts";

/** One frame off the wire: a message of the program, or a control frame of `FrameChannel`. */
export type Frame<Message> = { readonly message: Message } | { readonly control: string };

/** Cuts one direction of a connection into frames. */
export interface FrameDecoder<Message> {
  /** True when the bytes so far end inside a frame. */
  readonly isInsideFrame: boolean;
  /**
   * Takes the next bytes, cut anywhere, and yields the frames that they complete. The bytes kept
   * must stay bounded: throws as soon as a frame is longer than allowed, before all of the frame
   * has come.
   */
  push(bytes: Uint8Array): Iterable<Frame<Message>>;
}

/**
 * The form of messages and control frames on the wire. Ready ones: {@link lengthPrefixed} and
 * {@link newline}. A codec of your own must keep the two kinds apart, whatever a message holds.
 */
export interface FrameCodec<Message> {
  /** @throws for a value that cannot be a message, or is too long */
  encodeMessage(message: Message): Uint8Array;
  /** `text` is up to {@link LONGEST_CONTROL} printable ASCII characters. */
  encodeControl(text: string): Uint8Array;
  /** Makes a decoder for one connection. */
  decoder(): FrameDecoder<Message>;
}

/** Longest control frame, in bytes: the most that a hostile peer can make us keep for one. */
export const LONGEST_CONTROL = 64;

/** The error for a frame of the peer that cannot be decoded, or is longer than allowed. */
export function brokenFrame(message: string): HalfOpenError {
  return new HalfOpenError("ERR_PROTOCOL", message);
}

/** The error for frames that the peer may not send here; `fault` begins with "it". */
export function brokenProtocol(fault: string): HalfOpenError {
  return new HalfOpenError("ERR_PROTOCOL", `the peer cannot be understood: ${fault}`);
}

/** Returns a limit in bytes after checking its range. @throws HalfOpenError `ERR_OPTION_RANGE` */
export function byteLimit(name: string, value: number, largest: number): number {
  if (Number.isInteger(value) && value >= 1 && value <= largest) return value;
  throw new HalfOpenError(
    "ERR_OPTION_RANGE",
    `${name} must be a whole number of bytes from 1 to ${largest}, got ${String(value)}`,
  );
}

/** The error for a message of this program that is too long to be sent. */
export function tooLongToSend(bytes: number, name: string, limit: number): HalfOpenError {
  return new HalfOpenError(
    "ERR_OPTION_RANGE",
    `a message of ${bytes} bytes is longer than ${name}, which is ${limit}: split the message, or raise ${name} at both ends`,
  );
}
