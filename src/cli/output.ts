import { printable, printableData, printableJson } from "../core/printable.ts";

/** Form of printed data: JSON over several lines, JSON in one line, or words. */
export type Rendering<Data> = "json" | "json-line" | ((data: Data) => string);

/**
 * Returns data as text. Names that others chose (of processes, users and interfaces; errors of
 * peers) stay data: JSON escapes them, and words show them made printable. None of them acts on a
 * terminal or forges a line.
 */
export function rendered<Data>(data: Data, as: Rendering<Data>): string {
  if (typeof as === "function") return as(printableData(data));
  return `${jsonText(data, as === "json" ? 2 : undefined)}\n`;
}

/**
 * Returns data as JSON without control characters. Checks 100,000 objects in a few ms: a text of as
 * many bytes as units is ASCII, and the only control character that JSON leaves in ASCII is DEL.
 */
export function jsonText(data: unknown, indent?: number): string {
  const json = JSON.stringify(data, null, indent);
  return Buffer.byteLength(json) === json.length && !json.includes(DELETE)
    ? json
    : printableJson(json);
}

const DELETE = "\u007f";

/** Writes to standard output. */
export function print(text: string): void {
  process.stdout.write(withOwnControls(text));
}

/** Writes to standard error. */
export function complain(text: string): void {
  process.stderr.write(withOwnControls(text));
}

/** Control sequences that every terminal has. */
const SCREEN = {
  /** Second screen, no cursor, and long lines cut off instead of wrapped. */
  enter: "\u001b[?1049h\u001b[?25l\u001b[?7l",
  leave: "\u001b[?7h\u001b[?25h\u001b[?1049l",
  clear: "\u001b[H\u001b[J",
} as const;

/** Changes the screen of the terminal. */
export function control(what: keyof typeof SCREEN): void {
  process.stdout.write(SCREEN[what]);
}

/** Control characters that our own texts may hold: ends of lines, and colours (SGR). */
// biome-ignore lint/complexity/useRegexLiterals: a literal may not hold the escape character.
const OWN_CONTROLS = new RegExp("(\\n|\\x1b\\[[\\d;]*m)");

/** Lets only ends of lines and colours act: the last net for text that was not made printable. */
function withOwnControls(text: string): string {
  return text
    .split(OWN_CONTROLS)
    .map((part, i) => (i % 2 === 1 ? part : printable(part)))
    .join("");
}

/** Size of one write. A write for each of 100,000 lines would cost more than the lines. */
const PIECE_BYTES = 65_536;
/** Most bytes that UTF-8 takes for one unit of a string. */
const MOST_BYTES_A_UNIT = 3;

/**
 * Writes to standard output in pieces, and waits until the reader has taken each piece. A text
 * becomes bytes as it comes, in memory that is used again. Pieces gathered as strings would be
 * copied three times more on their way out.
 */
export class Output {
  #bytes: Buffer = Buffer.allocUnsafe(2 * PIECE_BYTES);
  #filled = 0;

  /**
   * Adds a text that is printable already. Returns true when a piece is full and {@link flush}
   * should follow.
   */
  add(text: string): boolean {
    const needed = this.#filled + text.length * MOST_BYTES_A_UNIT;
    if (needed > this.#bytes.length)
      this.#bytes = Buffer.concat([this.#bytes.subarray(0, this.#filled)], 2 * needed);
    this.#filled += this.#bytes.write(text, this.#filled);
    return this.#filled >= PIECE_BYTES;
  }

  async flush(): Promise<void> {
    const piece = this.#bytes.subarray(0, this.#filled);
    this.#filled = 0;
    await new Promise<unknown>((resolve) => process.stdout.write(piece, resolve));
  }
}
