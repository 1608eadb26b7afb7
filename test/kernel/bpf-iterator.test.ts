import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readAll } from "../../src/kernel/bpf-iterator.ts";

const RECORD_BYTES = 48;
const PIECE_BYTES = 7 * RECORD_BYTES;

/** Gives `bytes` in reads of at most these lengths, one after the other and again; 0 is a read that told of nothing yet. */
function readerOf(bytes: Buffer, lengths: readonly number[]): (into: Buffer) => number {
  let [given, reads] = [0, 0];
  return (into) => {
    const length = lengths[reads++ % lengths.length] ?? 1;
    if (length === 0)
      throw Object.assign(new Error("again"), reads % 2 === 0 ? { code: "EAGAIN", errno: -11 } : { code: "EINTR", errno: -4 });
    const copied = bytes.copy(into, 0, given, Math.min(bytes.length, given + length));
    given += copied;
    return copied;
  };
}

describe("what an iterator gives", () => {
  // A kernel with pages of 64 KB fills 262,144 bytes at once, in the middle of a record.
  it("comes in pieces of whole records, however much the kernel gives at a time", () => {
    const lengths = fc.array(fc.integer({ min: 0, max: 3 * PIECE_BYTES }), { minLength: 1, maxLength: 9 });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 40 }), lengths, (records, some) => {
        const bytes = Buffer.from(Array.from({ length: records * RECORD_BYTES }, (_, at) => at % 251));
        const pieces = readAll(readerOf(bytes, [...some, 1]), PIECE_BYTES);
        expect(pieces).toBeInstanceOf(Array);
        if (typeof pieces === "number") return;
        expect(Buffer.concat(pieces).equals(bytes)).toBe(true);
        for (const piece of pieces) expect(piece.length % RECORD_BYTES).toBe(0);
      }),
    );
  });

  it("is -errno when the kernel refuses, also after a part, and when it never tells of anything", () => {
    let reads = 0;
    const refusing = (): number => {
      if (reads++ === 0) return RECORD_BYTES;
      throw Object.assign(new Error("no memory"), { code: "ENOMEM", errno: -12 });
    };
    expect(readAll(refusing, PIECE_BYTES)).toBe(-12);
    expect(readAll(readerOf(Buffer.alloc(0), [0]), PIECE_BYTES)).toBeOneOf([-4, -11]);
  });

  it("is no refusal when the mistake is ours", () => {
    const broken = (): number => {
      throw new TypeError("not a descriptor");
    };
    expect(() => readAll(broken, PIECE_BYTES)).toThrow(TypeError);
  });
});
