import { COOKIE_BYTES } from "../kernel/platform-linux.ts";
import type { ConnectionTable } from "./connection-table.ts";

/** Knuth's multiplicative hash: inodes are handed out in order, and neighbours shall not crowd. */
const GOLDEN = 0x9e37_79b1;

/** What travels to the threads that look for owners: shared, never copied. */
export interface SharedInodes {
  readonly slots: SharedArrayBuffer;
  readonly cookies: SharedArrayBuffer;
  readonly withoutKeepalive: SharedArrayBuffer;
}

/** Finds the row of a socket by its inode, and what is to be known of it to read its options, in memory that several threads read. Open addressing, half full at most. */
export class InodeIndex {
  readonly shared: SharedInodes;
  /** Pairs of inode and row. Inode 0 marks an empty slot: it means that no descriptor leads to the socket. */
  readonly #slots: Uint32Array;
  readonly #cookies: Uint8Array;
  readonly #cookieWords: Uint32Array;
  readonly #withoutKeepalive: Uint8Array;
  readonly #shift: number;

  constructor(shared: SharedInodes) {
    this.shared = shared;
    this.#slots = new Uint32Array(shared.slots);
    this.#cookies = new Uint8Array(shared.cookies);
    this.#cookieWords = new Uint32Array(shared.cookies);
    this.#withoutKeepalive = new Uint8Array(shared.withoutKeepalive);
    this.#shift = 32 - Math.log2(this.#slots.length / 2);
  }

  static of(table: ConnectionTable): InodeIndex {
    const bits = Math.max(4, Math.ceil(Math.log2(table.size + 1)) + 1);
    const index = new InodeIndex({
      slots: new SharedArrayBuffer(2 ** bits * 8),
      cookies: new SharedArrayBuffer(Math.max(1, table.size) * COOKIE_BYTES),
      withoutKeepalive: new SharedArrayBuffer(table.size),
    });
    for (const row of table.rows()) {
      index.#cookieWords[2 * row.index] = row.cookieLow;
      index.#cookieWords[2 * row.index + 1] = row.cookieHigh;
      const { inode } = row;
      if (inode !== 0) index.#add(inode, row.index);
    }
    return index;
  }

  /** Notes for {@link isWithoutKeepalive} what the survey shows, for a search descriptor by descriptor. */
  noteKeepalive(table: ConnectionTable): void {
    for (const row of table.rows()) if (row.isSeenWithoutKeepalive) this.#withoutKeepalive[row.index] = 1;
  }

  /** -1: no socket of the survey has it. */
  rowOf(inode: number): number {
    for (let slot = this.#slotOf(inode); ; slot = this.#next(slot)) {
      const found = this.#slots[2 * slot];
      if (found === 0) return -1; // before the comparison: 0 is asked for too, for what is no socket
      if (found === inode) return this.#slots[2 * slot + 1] as number;
    }
  }

  /** Writes the 8 bytes of a row's cookie, as SO_COOKIE tells it. */
  copyCookie(row: number, into: Uint8Array): void {
    for (let i = 0; i < COOKIE_BYTES; i++) into[i] = this.#cookies[row * COOKIE_BYTES + i] as number;
  }

  /** The survey shows that keepalive is off; `false` also where nobody noted it. */
  isWithoutKeepalive(row: number): boolean {
    return this.#withoutKeepalive[row] === 1;
  }

  #add(inode: number, row: number): void {
    let slot = this.#slotOf(inode);
    while (this.#slots[2 * slot] !== 0) {
      if (this.#slots[2 * slot] === inode) return; // listed twice by an interrupted dump
      slot = this.#next(slot);
    }
    this.#slots[2 * slot] = inode;
    this.#slots[2 * slot + 1] = row;
  }

  #slotOf(inode: number): number {
    return Math.imul(inode, GOLDEN) >>> this.#shift;
  }

  #next(slot: number): number {
    return (slot + 1) % (this.#slots.length / 2);
  }
}
