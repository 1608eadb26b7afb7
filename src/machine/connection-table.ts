import { type Attributes, findAttributes, INET_DIAG_MESSAGE_BYTES } from "../kernel/sock-diag-message.ts";
import { ConnectionRow, ROW_BYTES, ROW_CGROUP, ROW_INFO, ROW_INFO_BYTES, ROW_NAMESPACE } from "./connection-row.ts";

const ROWS_PER_CHUNK = 2048;
const CHUNK_BYTES = ROWS_PER_CHUNK * ROW_BYTES;

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
  readonly #chunks: Buffer[];
  #size: number;
  readonly #found: Attributes = { infoAt: 0, infoBytes: 0, cgroupAt: 0 };
  /** Messages that broke their own lengths and were left out. */
  malformed = 0;

  constructor(packed: PackedTable = { chunks: [], size: 0 }) {
    this.#chunks = packed.chunks.map((chunk) => Buffer.from(chunk));
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
    bytes.copy(chunk, at, start, start + INET_DIAG_MESSAGE_BYTES);
    chunk.fill(0, at + ROW_CGROUP, at + ROW_INFO);
    if (found.cgroupAt > 0) bytes.copy(chunk, at + ROW_CGROUP, found.cgroupAt, found.cgroupAt + 8);
    chunk.writeUInt16LE(namespaceIndex, at + ROW_NAMESPACE);
    const infoBytes = Math.min(found.infoBytes, ROW_BYTES - ROW_INFO);
    chunk.writeUInt16LE(infoBytes, at + ROW_INFO_BYTES);
    bytes.copy(chunk, at + ROW_INFO, found.infoAt, found.infoAt + infoBytes);
    this.#size++;
  }

  /** A view of row `index`; pass a view to reuse it, for loops over many rows. */
  row(index: number, view: ConnectionRow = new ConnectionRow()): ConnectionRow {
    if (index < 0 || index >= this.#size) throw new RangeError(`row ${index} of ${this.#size}`);
    const chunk = this.#chunks[Math.floor(index / ROWS_PER_CHUNK)] as Buffer;
    view.moveTo(chunk, (index % ROWS_PER_CHUNK) * ROW_BYTES, index);
    return view;
  }

  /** All rows in turn, in one view that moves on. */
  *rows(): Generator<ConnectionRow> {
    const view = new ConnectionRow();
    for (let index = 0; index < this.#size; index++) yield this.row(index, view);
  }

  /** Hands the rows over; the table is empty then. */
  pack(): PackedTable {
    const packed = { chunks: this.#chunks.map((chunk) => chunk.buffer as ArrayBuffer), size: this.#size };
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

  #roomForOne(): Buffer {
    const index = Math.floor(this.#size / ROWS_PER_CHUNK);
    let chunk = this.#chunks[index];
    if (!chunk) {
      // An ArrayBuffer of its own: a pooled one could not be transferred.
      chunk = Buffer.from(new ArrayBuffer(CHUNK_BYTES));
      this.#chunks.push(chunk);
    }
    return chunk;
  }
}
