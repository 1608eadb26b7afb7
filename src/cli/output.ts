/** Texts are gathered up to this size: a write for each of 100,000 lines would cost more than the lines. */
const PIECE_BYTES = 65_536;
/** UTF-8 takes so many bytes at most for one unit of a string. */
const MOST_BYTES_A_UNIT = 3;

/**
 * Writes to standard output without ever holding more than a piece of it: waits until the reader has taken it. A text becomes bytes as it
 * comes, in memory that is used again; gathered as strings, pieces would be copied three times more on their way out.
 */
export class Output {
  #bytes: Buffer = Buffer.allocUnsafe(2 * PIECE_BYTES);
  #filled = 0;

  /** `true` when a piece is full and {@link flush} should follow. */
  add(text: string): boolean {
    const needed = this.#filled + text.length * MOST_BYTES_A_UNIT;
    if (needed > this.#bytes.length) this.#bytes = Buffer.concat([this.#bytes.subarray(0, this.#filled)], 2 * needed);
    this.#filled += this.#bytes.write(text, this.#filled);
    return this.#filled >= PIECE_BYTES;
  }

  async flush(): Promise<void> {
    const piece = this.#bytes.subarray(0, this.#filled);
    this.#filled = 0;
    await new Promise<unknown>((resolve) => process.stdout.write(piece, resolve));
  }
}
