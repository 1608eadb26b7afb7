/** A description of types as a test wants it, laid out as Documentation/bpf/btf.rst says. Types are numbered from 1 in the order in which they are added. */
export class BtfBytes {
  readonly #words: number[] = [];
  readonly #strings: string[] = [""];
  #last = 0;

  integer(name: string, bytes: number, bits: number = 8 * bytes): number {
    return this.#type(name, 1, 0, bytes, [bits]);
  }

  pointer(to: number): number {
    return this.#type("", 2, 0, to);
  }

  array(of: number, length: number): number {
    return this.#type("", 3, 0, 0, [of, of, length]);
  }

  /** Offsets in bits, as the kernel counts. `bitfield`: how many bits the member has, in a struct that tells so of all of them. */
  struct(name: string, bytes: number, members: readonly Member[], kind: 4 | 5 = 4): number {
    const tellsBits = members.some(({ bitfield }) => bitfield !== undefined);
    const parts = members.flatMap(({ name: member = "", type, bits, bitfield = 0 }) => [this.#name(member), type, (bitfield << 24) | bits]);
    return this.#type(name, kind, members.length | (tellsBits ? 1 << 31 : 0), bytes, parts);
  }

  alias(kind: 8 | 9 | 10 | 11 | 18, of: number, name: string = ""): number {
    return this.#type(name, kind, 0, of);
  }

  function(name: string, prototype: number): number {
    return this.#type(name, 12, 0, prototype);
  }

  /** A kind with nothing behind it, known or not. */
  bare(kind: number): number {
    return this.#type("", kind, 0, 0);
  }

  bytes(): Buffer {
    const strings = Buffer.from(`${this.#strings.join("\0")}\0`, "latin1");
    const types = Buffer.from(new Uint32Array(this.#words).buffer);
    const header = Buffer.alloc(24);
    header.writeUInt16LE(0xeb9f, 0);
    header[2] = 1;
    [24, 0, types.length, types.length, strings.length].forEach((value, index) => {
      header.writeUInt32LE(value, 4 + 4 * index);
    });
    return aligned(Buffer.concat([header, types, strings]));
  }

  #type(name: string, kind: number, parts: number, sizeOrType: number, rest: readonly number[] = []): number {
    this.#words.push(this.#name(name), (kind << 24) | parts, sizeOrType, ...rest);
    return ++this.#last;
  }

  #name(name: string): number {
    if (!this.#strings.includes(name)) this.#strings.push(name);
    return this.#strings.slice(0, this.#strings.indexOf(name)).reduce((at, before) => at + before.length + 1, 0);
  }
}

export interface Member {
  readonly name?: string;
  readonly type: number;
  readonly bits: number;
  readonly bitfield?: number;
}

export function aligned(bytes: Buffer): Buffer {
  const own = Buffer.from(new ArrayBuffer(bytes.length));
  bytes.copy(own);
  return own;
}
