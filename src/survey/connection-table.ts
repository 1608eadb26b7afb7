import { type Attributes, findAttributes } from "../kernel/netlink/sock-diag-message.ts";
import { ConnectionRow, ZERO_INFO_BYTES } from "./connection-row.ts";

const BLOCK_BYTES = 1 << 20;
/**
 * Numbers a row: its block, where its message begins there; where in the message TCP_INFO lies, and
 * the namespace.
 */
const COLUMNS = 4;
/** Rows; many tables hold a single one. */
const FIRST_CAPACITY = 64;

/**
 * The same memory twice: a word is read several times as fast as four bytes, before the loop around
 * it is compiled.
 */
interface Block {
  readonly bytes: Buffer;
  readonly words: Uint32Array;
}

/**
 * The sockets of one survey as the kernel wrote them: 420 bytes a socket and no object, decoded
 * when somebody looks. 100,000 sockets take 43 MB; as objects with all their fields they would take
 * ten times that. The kernel writes straight into the table, see {@link room}.
 */
export class ConnectionTable {
  readonly #blocks: Block[] = [];
  /** What is taken of the last block. */
  #filled = 0;
  #rows: Uint32Array = new Uint32Array(FIRST_CAPACITY * COLUMNS);
  #size = 0;
  readonly #found: Attributes = { infoAt: 0, infoBytes: 0 };
  /** Messages that broke their own lengths and were left out. */
  malformed = 0;

  get size(): number {
    return this.#size;
  }

  /**
   * Memory for the next messages, aligned to words. What {@link add} takes from it stays where it
   * is; the rest is given out again.
   */
  room(bytes: number): Buffer {
    const block = this.#blockFor(bytes);
    return block.bytes.subarray(this.#filled, this.#filled + bytes);
  }

  /** Takes one inet_diag_msg with its attributes; from elsewhere than {@link room} as a copy. */
  add(bytes: Buffer, start: number, end: number, namespaceIndex: number): void {
    if (end > bytes.length) {
      this.malformed++;
      return;
    }
    const last = this.#blocks.at(-1);
    const isOurs = last !== undefined && bytes.buffer === last.bytes.buffer;
    if (isOurs) this.#take(last, bytes.byteOffset + start, bytes.byteOffset + end, namespaceIndex);
    else {
      const block = this.#blockFor(end - start);
      bytes.copy(block.bytes, this.#filled, start, end);
      this.#take(block, this.#filled, this.#filled + end - start, namespaceIndex);
    }
  }

  /** A view of row `index`; pass a view to reuse it, for loops over many rows. */
  row(index: number, view: ConnectionRow = new ConnectionRow()): ConnectionRow {
    if (index < 0 || index >= this.#size) throw new RangeError(`row ${index} of ${this.#size}`);
    const at = index * COLUMNS;
    const rows = this.#rows;
    const { bytes, words } = this.#blocks[rows[at] as number] as Block;
    view.moveTo(
      bytes,
      words,
      index,
      rows[at + 1] as number,
      rows[at + 2] as number,
      rows[at + 3] as number,
    );
    return view;
  }

  /** All rows in turn, in one view that moves on. */
  *rows(): Generator<ConnectionRow> {
    const view = new ConnectionRow();
    for (let index = 0; index < this.#size; index++) yield this.row(index, view);
  }

  /**
   * Forgets the rows from `size` on, and keeps no memory for them: a listing that is begun anew.
   */
  truncate(size: number): void {
    if (size >= this.#size) return;
    this.#blocks.length = (this.#rows[size * COLUMNS] as number) + 1;
    this.#filled = this.#rows[size * COLUMNS + 1] as number;
    this.#size = size;
  }

  #take(block: Block, start: number, end: number, namespaceIndex: number): void {
    const found = this.#found;
    if (!findAttributes(block.words, start, end, found)) {
      this.malformed++;
      return;
    }
    if ((this.#size + 1) * COLUMNS > this.#rows.length) this.#grow();
    const at = this.#size++ * COLUMNS;
    const rows = this.#rows;
    rows[at] = this.#blocks.length - 1;
    rows[at + 1] = start;
    rows[at + 2] = found.infoBytes === 0 ? 0 : ((found.infoAt - start) << 16) | found.infoBytes;
    rows[at + 3] = namespaceIndex;
    this.#filled = (end + 3) & ~3;
  }

  /**
   * The last block, or a new one if it has not so much room. Its first bytes stay 0: see {@link
   * ConnectionRow.moveTo}.
   */
  #blockFor(bytes: number): Block {
    const last = this.#blocks.at(-1);
    if (last && this.#filled + bytes <= last.bytes.length) return last;
    const memory = new ArrayBuffer(BLOCK_BYTES);
    const block = { bytes: Buffer.from(memory), words: new Uint32Array(memory) };
    this.#blocks.push(block);
    this.#filled = ZERO_INFO_BYTES;
    return block;
  }

  #grow(): void {
    const rows = new Uint32Array(2 * this.#rows.length);
    rows.set(this.#rows);
    this.#rows = rows;
  }
}
