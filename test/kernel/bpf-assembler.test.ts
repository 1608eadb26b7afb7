import { describe, expect, it } from "vitest";
import { BpfAssembler } from "../../src/kernel/bpf-assembler.ts";

/** Instructions as hexadecimal digits: code, registers (from, to), offset, number. */
function written(write: (program: BpfAssembler) => unknown): string[] {
  const program = new BpfAssembler();
  write(program);
  return program.bytes().toString("hex").match(/.{16}/g) ?? [];
}

describe("the assembler of BPF programs", () => {
  // Documentation/bpf/standardization/instruction-set.rst: the code, two registers in a byte, offset, number.
  it("writes each instruction as the kernel reads it", () => {
    expect(
      written((it) =>
        it
          .move("r6", "r1")
          .move("r0", 0)
          .add("r3", "r1")
          .add("r2", -48)
          .multiply("r1", 16)
          .and("r1", 63)
          .load("r7", "r6", { offset: 8, bytes: 8 })
          .load("r1", "r0", { offset: 258, bytes: 1 })
          .store("r10", "r1", { offset: -44, bytes: 4 })
          .store("r10", 0, { offset: -48, bytes: 8 })
          .call(127)
          .exit(),
      ),
    ).toEqual([
      "bf16000000000000",
      "b700000000000000",
      "0f13000000000000",
      "07020000d0ffffff",
      "2701000010000000",
      "570100003f000000",
      "7967080000000000",
      "7101020100000000",
      "631ad4ff00000000",
      "7a0ad0ff00000000",
      "850000007f000000",
      "9500000000000000",
    ]);
  });

  it("jumps to labels ahead, counted from the next instruction", () => {
    const program = written((it) =>
      it.goIf("r7", 0, "end").goUnless("r1", "r2", "end").goUnless("r1", 5, "end").move("r0", 0).label("end").exit(),
    );
    expect(program.slice(0, 3)).toEqual(["1507030000000000", "5d21020000000000", "5501010005000000"]);
  });

  it("refuses jumps backwards or to nowhere, and members that fit no register", () => {
    expect(() => written((it) => it.label("again").move("r0", 0).goIf("r0", 0, "again"))).toThrow(/does not lie ahead/);
    expect(() => written((it) => it.goIf("r0", 0, "nowhere").exit())).toThrow(/nowhere/);
    for (const bytes of [0, 3, 12]) expect(() => written((it) => it.load("r1", "r0", { offset: 0, bytes }))).toThrow(RangeError);
    expect(() => written((it) => it.load("r1", "r0", { offset: 40_000, bytes: 4 }))).toThrow(RangeError);
  });
});
