import { type Attributes, findAttributes } from "../kernel/netlink/sock-diag-message.ts";
import { ConnectionRow, ZERO_INFO_BYTES } from "./connection-row.ts";

/**
 * The sockets of one survey as the kernel wrote them: 420 bytes a socket and no object, decoded
 * when a row is read. 100,000 sockets take 43 MB, a tenth of what objects with all their fields
 * would take. The kernel writes straight into the table, see {@link room}.
 */
export class ConnectionTable {
  readonly #blocks: Block[] = [];
  /** Bytes in use of the last block. */
  #filled = 0;
  #rows: Uint32Array = new Uint32Array(FIRST_CAPACITY * COLUMNS);
  #size = 0;
  readonly #found: Attributes = { infoAt: 0, infoBytes: 0 };
  /** Messages left out because they contradict their own lengths. */
  malformed = 0;

  get size(): number {
    return this.#size;
  }

  /**
   * Returns memory for the next messages, aligned to words. Messages that {@link add} takes stay in
   * place, and the rest of the memory is returned again by the next call.
   */
  room(bytes: number): Buffer {
    const block = this.#blockFor(bytes);
    return block.bytes.subarray(this.#filled, this.#filled + bytes);
  }

  /**
   * Takes one inet_diag_msg with its attributes. A message outside the memory of {@link room} is
   * copied.
   */
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

  /** Returns a view of row `index`. Loops over many rows pass a view to reuse. */
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

  /** Yields all rows in turn, in one view that moves on. */
  *rows(): Generator<ConnectionRow> {
    const view = new ConnectionRow();
    for (let index = 0; index < this.#size; index++) yield this.row(index, view);
  }

  /** Drops the rows from `size` on with their memory, for a listing that starts over. */
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
   * Returns the last block, or a new one when the last block has less than `bytes` left. The first
   * bytes of a block stay 0: see {@link ConnectionRow.moveTo}.
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

const BLOCK_BYTES = 1 << 20;

/** Rows; many tables hold a single one. */
const FIRST_CAPACITY = 64;

/**
 * Numbers a row: the block, the start of the message in the block, the place of TCP_INFO in the
 * message (see {@link ConnectionRow.moveTo}), and the namespace.
 */
const COLUMNS = 4;

/**
 * The same memory twice. Reading a word is several times as fast as reading four bytes, until the
 * loop around it is compiled.
 */
interface Block {
  readonly bytes: Buffer;
  readonly words: Uint32Array;
}
