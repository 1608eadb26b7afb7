import type { MemberPlace } from "./btf.ts";

/** Registers: the result of a call, its arguments, what a call leaves alone, and the end of the stack. */
export type Register = "r0" | "r1" | "r2" | "r3" | "r4" | "r5" | "r6" | "r7" | "r8" | "r9" | "r10";

export const INSTRUCTION_BYTES = 8;
/** include/uapi/linux/bpf_common.h: the width of a load or store. */
const WIDTHS: Readonly<Record<number, number>> = { 1: 0x10, 2: 0x08, 4: 0x00, 8: 0x18 };
const LOAD = 0x61;
const STORE = 0x63;
const STORE_NUMBER = 0x62;
const MOVE = 0xbf;
const MOVE_NUMBER = 0xb7;
const ADD = 0x0f;
const ADD_NUMBER = 0x07;
const MULTIPLY_BY_NUMBER = 0x27;
const AND_NUMBER = 0x57;
const GO_IF_NUMBER = 0x15;
const GO_IF_NOT_NUMBER = 0x55;
const GO_UNLESS_EQUAL = 0x5d;
const CALL = 0x85;
const EXIT = 0x95;

interface Instruction {
  readonly code: number;
  readonly to: Register;
  readonly from: Register;
  readonly offset: number;
  /** Where a jump leads, in the place of an offset. */
  readonly label: string | null;
  readonly number: number;
}

/** Writes a BPF program (Documentation/bpf/standardization/instruction-set.rst), one method an instruction; jumps lead forwards to labels. Little-endian machines. */
export class BpfAssembler {
  readonly #instructions: Instruction[] = [];
  readonly #labels: Map<string, number> = new Map();

  move(to: Register, from: Register | number): this {
    return typeof from === "number" ? this.#add(MOVE_NUMBER, { to, number: from }) : this.#add(MOVE, { to, from });
  }

  add(to: Register, from: Register | number): this {
    return typeof from === "number" ? this.#add(ADD_NUMBER, { to, number: from }) : this.#add(ADD, { to, from });
  }

  multiply(to: Register, by: number): this {
    return this.#add(MULTIPLY_BY_NUMBER, { to, number: by });
  }

  and(to: Register, mask: number): this {
    return this.#add(AND_NUMBER, { to, number: mask });
  }

  /** Loads a member of the struct that `from` points to. */
  load(to: Register, from: Register, { offset, bytes }: MemberPlace): this {
    return this.#add(LOAD | width(bytes), { to, from, offset });
  }

  store(to: Register, from: Register | number, { offset, bytes }: MemberPlace): this {
    if (typeof from === "number") return this.#add(STORE_NUMBER | width(bytes), { to, number: from, offset });
    return this.#add(STORE | width(bytes), { to, from, offset });
  }

  /** Calls a function of the kernel, by its number in include/uapi/linux/bpf.h. */
  call(helper: number): this {
    return this.#add(CALL, { number: helper });
  }

  goIf(register: Register, is: number, label: string): this {
    return this.#add(GO_IF_NUMBER, { to: register, number: is, label });
  }

  goUnless(register: Register, is: Register | number, label: string): this {
    if (typeof is === "number") return this.#add(GO_IF_NOT_NUMBER, { to: register, number: is, label });
    return this.#add(GO_UNLESS_EQUAL, { to: register, from: is, label });
  }

  label(name: string): this {
    this.#labels.set(name, this.#instructions.length);
    return this;
  }

  exit(): this {
    return this.#add(EXIT, {});
  }

  /** @throws RangeError for a jump to a label that does not lie ahead of it */
  bytes(): Buffer {
    const bytes = Buffer.alloc(this.#instructions.length * INSTRUCTION_BYTES);
    this.#instructions.forEach(({ code, to, from, offset, label, number }, index) => {
      const at = index * INSTRUCTION_BYTES;
      bytes[at] = code;
      bytes[at + 1] = numberOf(to) | (numberOf(from) << 4);
      bytes.writeInt16LE(label === null ? offset : this.#distance(index, label), at + 2);
      bytes.writeInt32LE(number, at + 4);
    });
    return bytes;
  }

  /** Instructions between the one after the jump and the label. */
  #distance(index: number, label: string): number {
    const target = this.#labels.get(label) ?? -1;
    if (target <= index) throw new RangeError(`instruction ${index} jumps to ${label}, which does not lie ahead of it`);
    return target - index - 1;
  }

  #add(code: number, parts: Partial<Instruction>): this {
    this.#instructions.push({ code, to: "r0", from: "r0", offset: 0, label: null, number: 0, ...parts });
    return this;
  }
}

function numberOf(register: Register): number {
  return Number(register.slice(1));
}

function width(bytes: number): number {
  const code = WIDTHS[bytes];
  if (code === undefined) throw new RangeError(`a register takes 1, 2, 4 or 8 bytes, not ${bytes}`);
  return code;
}
