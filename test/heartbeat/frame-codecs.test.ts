import { toUSVString } from "node:util";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HalfOpenError } from "../../src/core/errors.ts";
import {
  type Frame,
  type FrameCodec,
  LONGEST_CONTROL,
} from "../../src/heartbeat/frames/frame-codec.ts";
import { lengthPrefixed } from "../../src/heartbeat/frames/length-prefixed.ts";
import { newline } from "../../src/heartbeat/frames/newline.ts";

type Sent<Message> = { message: Message } | { control: string };

const controls = fc.string({
  unit: fc.constantFrom(..."ABCPINGO 0123456789-"),
  minLength: 1,
  maxLength: LONGEST_CONTROL,
});
const lines = fc
  .string({ unit: "binary" })
  .filter((text) => !text.includes("\n") && toUSVString(text) === text);
const escapes = fc.constantFrom("\u0010", "\u0010\u0010", "\u0010PING 1", "");

function bytesOf<Message>(codec: FrameCodec<Message>, sent: readonly Sent<Message>[]): Buffer {
  return Buffer.concat(
    sent.map((one) =>
      "control" in one ? codec.encodeControl(one.control) : codec.encodeMessage(one.message),
    ),
  );
}

/** Decodes the bytes, cut at the given places. */
function decoded<Message>(
  codec: FrameCodec<Message>,
  bytes: Buffer,
  cuts: readonly number[],
): Frame<Message>[] {
  const decoder = codec.decoder();
  const frames: Frame<Message>[] = [];
  const places = [...cuts.map((cut) => cut % (bytes.length + 1)), 0, bytes.length].sort(
    (a, b) => a - b,
  );
  for (let i = 1; i < places.length; i++)
    frames.push(...decoder.push(bytes.subarray(places[i - 1], places[i])));
  expect(decoder.isInsideFrame).toBe(false);
  return frames;
}

/** Feeds the bytes and returns the error that was thrown. */
function refusal<Message>(codec: FrameCodec<Message>, ...parts: Uint8Array[]): unknown {
  const decoder = codec.decoder();
  try {
    for (const part of parts) for (const _ of decoder.push(part));
  } catch (error) {
    return error;
  }
  return null;
}

function stripped(frames: readonly Frame<Uint8Array>[]): unknown[] {
  return frames.map((frame) => ("control" in frame ? frame : { message: [...frame.message] }));
}

describe("a codec gives back the sent messages, however their bytes are cut", () => {
  const cuts = fc.array(fc.nat(), { maxLength: 20 });

  it("length-prefixed", () => {
    const sent = fc.array(
      fc.oneof(
        fc.record({ message: fc.uint8Array({ maxLength: 300 }) }),
        fc.record({ control: controls }),
      ),
      {
        maxLength: 20,
      },
    );
    fc.assert(
      fc.property(sent, cuts, (frames, places) => {
        expect(
          stripped(decoded(lengthPrefixed(), bytesOf(lengthPrefixed(), frames), places)),
        ).toEqual(stripped(frames));
      }),
    );
  });

  it("newline", () => {
    const sent = fc.array(
      fc.oneof(fc.record({ message: fc.oneof(lines, escapes) }), fc.record({ control: controls })),
      { maxLength: 20 },
    );
    fc.assert(
      fc.property(sent, cuts, (frames, places) => {
        expect(decoded(newline(), bytesOf(newline(), frames), places)).toEqual(frames);
      }),
    );
  });
});

describe("a hostile peer", () => {
  it.each([
    ["length-prefixed", lengthPrefixed({ maxFrameBytes: 1000 }) as FrameCodec<unknown>],
    ["newline", newline({ maxLineBytes: 1000 }) as FrameCodec<unknown>],
  ])("can make a codec fail with ERR_PROTOCOL only (%s)", (_, codec) => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 30 }), (parts) => {
        const error = refusal(codec, ...parts);
        if (error === null) return;
        expect(error).toBeInstanceOf(HalfOpenError);
        expect((error as HalfOpenError).code).toBe("ERR_PROTOCOL");
      }),
    );
  });

  it("is refused at the header of a frame that is too long, before any byte of the frame is kept", () => {
    const message = Buffer.from([0x7f, 0xff, 0xff, 0xff]);
    expect(String(refusal(lengthPrefixed({ maxFrameBytes: 5000 }), message))).toMatch(
      /a message of 2147483647 bytes, and 5000 are allowed/,
    );
    const control = Buffer.from([0x80, 0, 0, LONGEST_CONTROL + 1]);
    expect(String(refusal(lengthPrefixed(), control))).toMatch(
      /a control frame of 65 bytes, and 64 are allowed/,
    );
    expect(
      refusal(lengthPrefixed({ maxFrameBytes: 5000 }), Buffer.from([0, 0, 0x13, 0x88])),
    ).toBeNull();
  });

  it("is refused at the first byte beyond the longest line, also when the line comes byte by byte", () => {
    const bytes = Array.from({ length: 1000 }, () => Buffer.from("a"));
    expect(refusal(newline({ maxLineBytes: 1000 }), ...bytes)).toBeNull();
    expect(String(refusal(newline({ maxLineBytes: 1000 }), ...bytes, Buffer.from("a")))).toMatch(
      /longer than 1000 bytes/,
    );
  });

  it("is refused for a line that is not UTF-8", () => {
    expect(String(refusal(newline(), Buffer.from([0xff, 0x0a])))).toMatch(/not UTF-8/);
  });
});

describe("a message that cannot be sent", () => {
  it.each([
    [
      () => lengthPrefixed({ maxFrameBytes: 3 }).encodeMessage(Buffer.from("four")),
      /4 bytes is longer than maxFrameBytes, which is 3/,
    ],
    [
      () => lengthPrefixed().encodeMessage("text" as never),
      /must be a Uint8Array or Buffer, got string/,
    ],
    [
      () => newline({ maxLineBytes: 3 }).encodeMessage("four"),
      /4 bytes is longer than maxLineBytes, which is 3/,
    ],
    [() => newline().encodeMessage("two\nlines"), /with a line feed/],
    [() => newline().encodeMessage("\ud800"), /half a surrogate pair/],
    [() => newline().encodeMessage(5 as never), /got number/],
    [
      () => lengthPrefixed({ maxFrameBytes: 0 }),
      /maxFrameBytes must be a whole number of bytes from 1 to 2147483647, got 0/,
    ],
    [() => newline({ maxLineBytes: 1.5 }), /maxLineBytes must be a whole number/],
  ])("is refused by value and limit: %s", (attempt, message) => {
    expect(attempt).toThrow(message);
    expect(attempt).toThrow(expect.objectContaining({ code: "ERR_OPTION_RANGE" }));
  });
});
