import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Btf, BtfError } from "../../src/kernel/btf.ts";
import { aligned, BtfBytes } from "./btf-bytes.ts";

const WANTED = { structs: ["sock"], functions: ["visit"] };

/** struct sock { u32 plain; union { struct { u64 flags; }; const u8 small; }; typedef struct { struct sock *net; } holder; u32 list[3]; u8 three_bits:3; } */
function description(): BtfBytes {
  const btf = new BtfBytes();
  const [u8, u32, u64] = [btf.integer("u8", 1), btf.integer("u32", 4), btf.integer("u64", 8)];
  const pointer = btf.pointer(7);
  const inner = btf.struct("", 8, [{ name: "flags", type: u64, bits: 0 }]);
  const eitherOr = btf.struct(
    "",
    8,
    [
      { type: inner, bits: 0 },
      { name: "small", type: 9, bits: 0 },
    ],
    5,
  );
  btf.struct("sock", 48, [
    { name: "plain", type: u32, bits: 0 },
    { type: eitherOr, bits: 64 },
    { name: "holder", type: 10, bits: 128 },
    { name: "list", type: 11, bits: 192 },
    { name: "three_bits", type: u8, bits: 288, bitfield: 3 },
  ]);
  const named = btf.struct("", 8, [{ name: "net", type: pointer, bits: 0 }]);
  btf.alias(10, u8);
  btf.alias(8, named, "holder_t");
  btf.array(u32, 3);
  btf.function("visit", u32);
  return btf;
}

function read(bytes: Buffer): Btf {
  return new Btf(bytes, WANTED);
}

describe("the kernel's description of its types", () => {
  const btf = read(description().bytes());

  it("tells where a member lies and how long it is", () => {
    expect(btf.member("sock", "plain")).toEqual({ offset: 0, bytes: 4 });
    expect(btf.member("sock", "list")).toEqual({ offset: 24, bytes: 12 });
    expect(btf.structBytes("sock")).toBe(48);
    expect(btf.idOf("visit")).toBe(12);
  });

  it("finds what stands in unnamed structs and unions, behind other names, and in one another", () => {
    expect(btf.member("sock", "flags")).toEqual({ offset: 8, bytes: 8 });
    expect(btf.member("sock", "small")).toEqual({ offset: 8, bytes: 1 });
    expect(btf.member("sock", "holder.net")).toEqual({ offset: 16, bytes: 8 });
  });

  it("refuses a field of bits, told by its struct or by its integer", () => {
    expect(() => btf.member("sock", "three_bits")).toThrow(BtfError);
    const older = new BtfBytes();
    older.struct("sock", 4, [{ name: "three_bits", type: older.integer("three", 4, 3), bits: 0 }]);
    older.struct("sock", 4, [{ name: "crooked", type: older.integer("u8", 1), bits: 5 }]);
    expect(() => read(older.bytes()).member("sock", "three_bits")).toThrow(/field of bits/);
  });

  it("says what this kernel has not", () => {
    expect(() => btf.member("sock", "holder.other")).toThrow("struct sock of this kernel has no holder.other");
    expect(btf.memberIfAny("sock", "holder.other")).toBe(null);
    expect(btf.memberIfAny("sock", "plain.deeper")).toBe(null);
    expect(() => btf.member("task", "pid")).toThrow("this kernel has no task");
  });

  it("matches whole names only", () => {
    expect(btf.memberIfAny("sock", "plai")).toBe(null);
    expect(btf.memberIfAny("sock", "lain")).toBe(null);
  });
});

describe("a description that is not what it says", () => {
  it("is refused when it is cut off anywhere", () => {
    const whole = description().bytes();
    for (let length = 0; length < whole.length; length++) expect(() => read(aligned(whole.subarray(0, length)))).toThrow(BtfError);
  });

  it("is refused when it has a kind that nobody knows, since no one can tell what comes behind", () => {
    for (const kind of [20, 25, 31]) {
      const btf = description();
      btf.bare(kind);
      expect(() => read(btf.bytes())).toThrow(`of kind ${kind}`);
    }
  });

  it("ends when a struct lies in itself, once or many times, and a name stands for itself", () => {
    for (const times of [1, 2, 300]) {
      const btf = new BtfBytes();
      btf.struct(
        "sock",
        8,
        Array.from({ length: times }, () => ({ type: 1, bits: 0 })),
      );
      expect(() => read(btf.bytes()).member("sock", "flags")).toThrow(BtfError);
    }
    const named = new BtfBytes();
    named.struct("sock", 8, [{ name: "a", type: 2, bits: 0 }]);
    named.alias(8, 2, "a_t");
    expect(() => read(named.bytes()).member("sock", "a")).toThrow(BtfError);
    const list = new BtfBytes();
    list.struct("sock", 8, [{ name: "a", type: 2, bits: 0 }]);
    list.array(2, 2);
    expect(() => read(list.bytes()).member("sock", "a")).toThrow(BtfError);
  });

  it("leads to an answer or a refusal, whichever bytes are wrong", () => {
    const whole = description().bytes();
    const change = fc.record({ at: fc.nat(whole.length - 1), to: fc.integer({ min: 0, max: 255 }) });
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), (changes) => {
        const bytes = aligned(whole);
        for (const { at, to } of changes) bytes[at] = to;
        try {
          const btf = read(bytes);
          for (const path of ["plain", "flags", "holder.net", "list", "three_bits"]) {
            const place = btf.memberIfAny("sock", path);
            if (place) expect(Number.isInteger(place.offset) && place.offset >= 0).toBe(true);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(BtfError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
