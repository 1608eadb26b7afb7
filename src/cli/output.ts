import { once } from "node:events";

/** Parts are gathered up to this size: a write for each of 100,000 lines would cost more than the lines. */
const PIECE_CHARACTERS = 262_144;

/** Writes to standard output without ever holding more than a piece of it: waits until the reader has taken it. */
export class Output {
  #piece = "";

  /** `true` when a piece is full and {@link flush} should follow. */
  add(text: string): boolean {
    this.#piece += text;
    return this.#piece.length >= PIECE_CHARACTERS;
  }

  async flush(): Promise<void> {
    const piece = this.#piece;
    this.#piece = "";
    if (!process.stdout.write(piece)) await once(process.stdout, "drain");
  }
}
