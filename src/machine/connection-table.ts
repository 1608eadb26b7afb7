import { type Attributes, findAttributes, INET_DIAG_MESSAGE_BYTES } from "../kernel/sock-diag-message.ts";
import { ConnectionRow, ROW_BYTES, ROW_CGROUP, ROW_INFO, ROW_INFO_BYTES, ROW_NAMESPACE } from "./connection-row.ts";

const ROWS_PER_CHUNK = 2048;
const CHUNK_BYTES = ROWS_PER_CHUNK * ROW_BYTES;
const CGROUP_BYTES = 8;

/** The same memory twice: netlink aligns all to 4 bytes, and words are copied 10 times as fast as views of bytes are made. */
interface Chunk {
  readonly bytes: Buffer;
  readonly words: Int32Array;
}

/** What a worker hands over: the chunks travel without a copy. */
export interface PackedTable {
  readonly chunks: ArrayBuffer[];
  readonly size: number;
}

/**
 * The sockets of one survey in fixed rows of bytes: 368 bytes a socket and no object, decoded when somebody looks. 100,000
 * sockets take 37 MB; as objects with all their fields they would take ten times that.
 */
export class ConnectionTable {
  readonly #chunks: Chunk[];
  #size: number;
  /** What is copied from, seen as words; a dump comes through one buffer. */
  #source: { readonly bytes: Buffer; readonly words: Int32Array } | null = null;
  readonly #found: Attributes = { infoAt: 0, infoBytes: 0, cgroupAt: 0 };
  /** Messages that broke their own lengths and were left out. */
  malformed = 0;

  constructor(packed: PackedTable = { chunks: [], size: 0 }) {
    this.#chunks = packed.chunks.map(chunkOver);
    this.#size = packed.size;
  }

  get size(): number {
    return this.#size;
  }

  /** Takes one inet_diag_msg with its attributes. */
  add(bytes: Buffer, start: number, end: number, namespaceIndex: number): void {
    const found = this.#found;
    if (!findAttributes(bytes, start, end, found)) {
      this.malformed++;
      return;
    }
    const chunk = this.#roomForOne();
    const at = (this.#size % ROWS_PER_CHUNK) * ROW_BYTES;
    const infoBytes = Math.min(found.infoBytes, ROW_BYTES - ROW_INFO);
    const words = this.#wordsOf(bytes);
    copyWords(words, start, chunk.words, at, INET_DIAG_MESSAGE_BYTES);
    copyWords(words, found.infoAt, chunk.words, at + ROW_INFO, infoBytes);
    if (found.cgroupAt > 0) copyWords(words, found.cgroupAt, chunk.words, at + ROW_CGROUP, CGROUP_BYTES);
    else chunk.words.fill(0, (at + ROW_CGROUP) / 4, (at + ROW_CGROUP + CGROUP_BYTES) / 4);
    chunk.bytes.writeUInt16LE(namespaceIndex, at + ROW_NAMESPACE);
    chunk.bytes.writeUInt16LE(infoBytes, at + ROW_INFO_BYTES);
    this.#size++;
  }

  /** A view of row `index`; pass a view to reuse it, for loops over many rows. */
  row(index: number, view: ConnectionRow = new ConnectionRow()): ConnectionRow {
    if (index < 0 || index >= this.#size) throw new RangeError(`row ${index} of ${this.#size}`);
    const { bytes } = this.#chunks[Math.floor(index / ROWS_PER_CHUNK)] as Chunk;
    view.moveTo(bytes, (index % ROWS_PER_CHUNK) * ROW_BYTES, index);
    return view;
  }

  /** All rows in turn, in one view that moves on. */
  *rows(): Generator<ConnectionRow> {
    const view = new ConnectionRow();
    for (let index = 0; index < this.#size; index++) yield this.row(index, view);
  }

  /** Hands the rows over; the table is empty then. */
  pack(): PackedTable {
    const packed = { chunks: this.#chunks.map(({ bytes }) => bytes.buffer as ArrayBuffer), size: this.#size };
    this.clear();
    return packed;
  }

  /** Forgets the rows from `size` on: a listing that is begun anew. */
  truncate(size: number): void {
    this.#size = Math.min(this.#size, size);
  }

  clear(): void {
    this.#chunks.length = 0;
    this.#size = 0;
    this.malformed = 0;
  }

  #roomForOne(): Chunk {
    const index = Math.floor(this.#size / ROWS_PER_CHUNK);
    let chunk = this.#chunks[index];
    if (!chunk) {
      // An ArrayBuffer of its own: a pooled one could not be transferred.
      chunk = chunkOver(new ArrayBuffer(CHUNK_BYTES));
      this.#chunks.push(chunk);
    }
    return chunk;
  }

  /** A Buffer that begins between words, as tests and small reads have it, is copied. */
  #wordsOf(bytes: Buffer): Int32Array {
    if (this.#source?.bytes === bytes) return this.#source.words;
    const isAligned = bytes.byteOffset % 4 === 0 && bytes.length % 4 === 0;
    const aligned = isAligned ? bytes : Buffer.concat([bytes], bytes.length + ((4 - (bytes.length % 4)) % 4));
    // Buffer.concat may take its memory from the pool, at any multiple of 8.
    const words = new Int32Array(aligned.buffer, aligned.byteOffset, aligned.length / 4);
    if (isAligned) this.#source = { bytes, words };
    return words;
  }
}

function chunkOver(memory: ArrayBuffer): Chunk {
  return { bytes: Buffer.from(memory), words: new Int32Array(memory) };
}

/** Offsets and length in bytes. */
function copyWords(from: Int32Array, fromByte: number, to: Int32Array, toByte: number, bytes: number): void {
  const shift = (toByte - fromByte) >> 2;
  const first = fromByte >> 2;
  const end = (fromByte + bytes) >> 2;
  for (let i = first; i < end; i++) to[i + shift] = from[i] as number;
}
