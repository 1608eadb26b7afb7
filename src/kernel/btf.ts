const MAGIC = 0xeb9f;
const HEADER_BYTES = 24;
/** Words of every type: its name, its kind with the number of its parts, and its size or the type it stands for. */
const TYPE_WORDS = 3;
const MEMBER_WORDS = 3;

const INT = 1;
const POINTER = 2;
const ARRAY = 3;
const STRUCT = 4;
const UNION = 5;
const FUNCTION = 12;
/** Other names of a type: TYPEDEF, VOLATILE, CONST, RESTRICT, TYPE_TAG. */
const ALIASES: readonly number[] = [8, 9, 10, 11, 18];
/** What carries its size: also ENUM, FLOAT, ENUM64. */
const SIZED: readonly number[] = [INT, STRUCT, UNION, 6, 16, 19];
/** By kind: words that follow a type once, and for each of its parts. */
const WORDS_ONCE: readonly number[] = [0, 1, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0];
const WORDS_A_PART: readonly number[] = [0, 0, 0, 0, 3, 3, 2, 0, 0, 0, 0, 0, 0, 2, 0, 3, 0, 0, 0, 3];
const POINTER_BYTES = 8;
const FILTER_BYTES = 4096;
/** No type of a kernel is nested as deep or has as many members, unnamed ones within counted; one that holds itself is and has. */
const DEEPEST = 32;
const MOST_MEMBERS = 100_000;

/** The names that will be asked for. */
export interface WantedTypes {
  readonly structs: readonly string[];
  readonly functions: readonly string[];
}

/** Where a member lies from the beginning of its struct, and how long it is. */
export interface MemberPlace {
  readonly offset: number;
  readonly bytes: number;
}

/** A description of types that cannot be used; the message says what is wrong with it. */
export class BtfError extends Error {}

/**
 * The kernel's description of its own types (Documentation/bpf/btf.rst), as it lies in /sys/kernel/btf/vmlinux: on 6.18 126,000 types in
 * 5.5 MB. Only what is named in `wanted` is looked for, in one pass: 4 ms in a new process. No length in it is believed unchecked.
 */
export class Btf {
  readonly #words: Uint32Array;
  readonly #strings: Buffer;
  /** By the number of a type, from 1 on: the word at which it lies. */
  readonly #places: Uint32Array;
  #lastId = 0;
  /** What may still be looked at in the search that runs. */
  #membersLeft = 0;
  readonly #ids: Map<string, number> = new Map();

  /** `bytes` lie aligned to words. @throws BtfError */
  constructor(bytes: Buffer, wanted: WantedTypes) {
    const { types, strings } = sectionsOf(bytes);
    this.#words = types;
    this.#strings = strings;
    this.#places = new Uint32Array(1 + Math.floor(types.length / TYPE_WORDS));
    this.#walk(this.#namesAt(wanted.structs), this.#namesAt(wanted.functions));
  }

  /** The number of a wanted struct or function. @throws BtfError where there is none */
  idOf(name: string): number {
    const id = this.#ids.get(name);
    if (id === undefined) throw new BtfError(`this kernel has no ${name}`);
    return id;
  }

  /** @throws BtfError */
  structBytes(struct: string): number {
    return this.#bytesOf(this.idOf(struct));
  }

  /** `path`: members, each inside the one before, joined by dots; those of unnamed structs and unions count as their parent's. @throws BtfError */
  member(struct: string, path: string): MemberPlace {
    const place = this.memberIfAny(struct, path);
    if (place === null) throw new BtfError(`struct ${struct} of this kernel has no ${path}`);
    return place;
  }

  /** The same, or `null`: kernels differ in what they have. @throws BtfError */
  memberIfAny(struct: string, path: string): MemberPlace | null {
    this.#membersLeft = MOST_MEMBERS;
    let type = this.idOf(struct);
    let offset = 0;
    for (const name of path.split(".")) {
      const found = this.#find(type, name);
      if (found === null) return null;
      type = found.type;
      offset += found.offset;
    }
    return { offset, bytes: this.#bytesOf(type) };
  }

  /** By the place of a name among the strings; the kernel keeps each string once. */
  #namesAt(names: readonly string[]): Map<number, string> {
    const found = names.map((name): [number, string] => [this.#strings.indexOf(`\0${name}\0`, 0, "latin1") + 1, name]);
    return new Map(found.filter(([at]) => at > 0));
  }

  /** Notes where every type lies, and the numbers of those with one of the names. */
  #walk(structs: ReadonlyMap<number, string>, functions: ReadonlyMap<number, string>): void {
    const words = this.#words;
    // Half of all types are functions: a byte tells that a name is not wanted sooner than a map does.
    const isWanted = new Uint8Array(FILTER_BYTES);
    for (const at of [...structs.keys(), ...functions.keys()]) isWanted[at % FILTER_BYTES] = 1;
    let id = 0;
    for (let at = 0; at < words.length; ) {
      this.#places[++id] = at;
      const info = words[at + 1] as number;
      const kind = (info >>> 24) & 0x1f;
      const size = TYPE_WORDS + (WORDS_ONCE[kind] as number) + (WORDS_A_PART[kind] as number) * (info & 0xffff);
      // NaN where the kind is unknown: then nobody knows either where the next type begins.
      if (!(at + size <= words.length)) throw new BtfError(`type ${id}, of kind ${kind}, is unknown or longer than what there is`);
      const nameAt = words[at] as number;
      if (isWanted[nameAt % FILTER_BYTES] === 1 && (kind === STRUCT || kind === FUNCTION)) {
        const name = (kind === STRUCT ? structs : functions).get(nameAt);
        if (name !== undefined && !this.#ids.has(name)) this.#ids.set(name, id);
      }
      at += size;
    }
    this.#lastId = id;
  }

  /** A member by its name, and its place from the beginning of `type`; `null` where there is none. */
  #find(type: number, name: string, depth: number = 0): { type: number; offset: number } | null {
    const at = this.#unaliased(type);
    const info = this.#words[at + 1] as number;
    const kind = (info >>> 24) & 0x1f;
    if (kind !== STRUCT && kind !== UNION) return null;
    for (let i = 0; i < (info & 0xffff); i++) {
      if (--this.#membersLeft < 0 || depth > DEEPEST) throw new BtfError("a struct lies in itself");
      const member = at + TYPE_WORDS + i * MEMBER_WORDS;
      const [nameAt, of] = [this.#words[member] as number, this.#words[member + 1] as number];
      if (nameAt === 0) {
        const inner = this.#find(of, name, depth + 1);
        if (inner !== null) return { type: inner.type, offset: inner.offset + this.#offsetOf(member, info) };
      } else if (this.#isName(nameAt, name)) return { type: of, offset: this.#offsetOf(member, info) };
    }
    return null;
  }

  /** In bytes. A field of single bits has no place that a program could read. */
  #offsetOf(member: number, structInfo: number): number {
    const bits = this.#words[member + 2] as number;
    const isOfBits = structInfo >>> 31 === 1 && bits >>> 24 !== 0;
    const offset = structInfo >>> 31 === 1 ? bits & 0xff_ffff : bits;
    if (isOfBits || offset % 8 !== 0) throw new BtfError("a member is a field of bits");
    return offset / 8;
  }

  #bytesOf(type: number, depth = 0): number {
    const at = this.#unaliased(type);
    const kind = ((this.#words[at + 1] as number) >>> 24) & 0x1f;
    if (kind === POINTER) return POINTER_BYTES;
    if (kind === ARRAY && depth < DEEPEST) return this.#bytesOf(this.#words[at + 3] as number, depth + 1) * (this.#words[at + 5] as number);
    if (!SIZED.includes(kind)) throw new BtfError(`type ${type} has no size`);
    const bytes = this.#words[at + 2] as number;
    // Before fields of bits were told by their struct, they were integers shorter than their bytes.
    if (kind === INT && ((this.#words[at + 3] as number) & 0xff) !== 8 * bytes) throw new BtfError("a member is a field of bits");
    return bytes;
  }

  #unaliased(type: number): number {
    for (let aliases = 0, id = type; aliases <= DEEPEST; aliases++) {
      if (id === 0 || id > this.#lastId) throw new BtfError(`there is no type ${id}`);
      const at = this.#places[id] as number;
      if (!ALIASES.includes(((this.#words[at + 1] as number) >>> 24) & 0x1f)) return at;
      id = this.#words[at + 2] as number;
    }
    throw new BtfError(`type ${type} stands for itself`);
  }

  #isName(at: number, name: string): boolean {
    const end = at + name.length;
    return this.#strings[end] === 0 && this.#strings.toString("latin1", at, end) === name;
  }
}

function sectionsOf(bytes: Buffer): { types: Uint32Array; strings: Buffer } {
  if (bytes.length < HEADER_BYTES || bytes.readUInt16LE(0) !== MAGIC) throw new BtfError("this is no description of types");
  const [header, typesAt, typeBytes, stringsAt, stringBytes] = [4, 8, 12, 16, 20].map((at) => bytes.readUInt32LE(at)) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const types = bytes.subarray(header + typesAt, header + typesAt + typeBytes);
  const strings = bytes.subarray(header + stringsAt, header + stringsAt + stringBytes);
  if (types.length !== typeBytes || strings.length !== stringBytes) throw new BtfError("the description of types is cut off");
  if ((types.byteOffset | typeBytes) % 4 !== 0) throw new BtfError("the description of types is not aligned");
  return { types: new Uint32Array(types.buffer, types.byteOffset, typeBytes >> 2), strings };
}
