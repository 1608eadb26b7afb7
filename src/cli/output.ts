import { printable, printableData, printableJson } from "../core/printable.ts";

/**
 * Texts are gathered up to this size: a write for each of 100,000 lines would cost more than the
 * lines.
 */
const PIECE_BYTES = 65_536;
/** UTF-8 takes so many bytes at most for one unit of a string. */
const MOST_BYTES_A_UNIT = 3;
const DELETE = "\u007f";
/** What words of ours may hold beside printable characters: ends of lines, and colours (SGR). */
// biome-ignore lint/complexity/useRegexLiterals: a literal may not hold the escape character.
const OWN_CONTROLS = new RegExp("(\\n|\\x1b\\[[\\d;]*m)");

/** How data is told: as JSON over several lines, as JSON in one line, or in words. */
export type Rendering<Data> = "json" | "json-line" | ((data: Data) => string);

/** Control sequences that every terminal has. */
const SCREEN = {
  /** Second screen, no cursor, and lines cut off instead of wrapped. */
  enter: "\u001b[?1049h\u001b[?25l\u001b[?7l",
  leave: "\u001b[?7h\u001b[?25h\u001b[?1049l",
  clear: "\u001b[H\u001b[J",
} as const;

/**
 * Data as text. What others chose in it (names of processes, users, interfaces; errors of peers) is
 * data still: in JSON it is escaped, and before it becomes words it is made printable, so that none
 * of it acts on a terminal or forges a line.
 */
export function rendered<Data>(data: Data, as: Rendering<Data>): string {
  if (typeof as === "function") return as(printableData(data));
  return `${jsonText(data, as === "json" ? 2 : undefined)}\n`;
}

/**
 * 100,000 of them are checked in a few ms: a text of as many bytes as units is ASCII, and of that
 * JSON leaves only DEL.
 */
export function jsonText(data: unknown, indent?: number): string {
  const json = JSON.stringify(data, null, indent);
  return Buffer.byteLength(json) === json.length && !json.includes(DELETE)
    ? json
    : printableJson(json);
}

/** Writes to standard output. */
export function print(text: string): void {
  process.stdout.write(withOwnControls(text));
}

/** Writes to standard error. */
export function complain(text: string): void {
  process.stderr.write(withOwnControls(text));
}

/** Changes the screen of the terminal. */
export function control(what: keyof typeof SCREEN): void {
  process.stdout.write(SCREEN[what]);
}

/** A last net: whatever was forgotten to be made printable, only ends of lines and colours act. */
function withOwnControls(text: string): string {
  return text
    .split(OWN_CONTROLS)
    .map((part, i) => (i % 2 === 1 ? part : printable(part)))
    .join("");
}

/**
 * Writes to standard output without ever holding more than a piece of it: waits until the reader
 * has taken it. A text becomes bytes as it comes, in memory that is used again; gathered as
 * strings, pieces would be copied three times more on their way out.
 */
export class Output {
  #bytes: Buffer = Buffer.allocUnsafe(2 * PIECE_BYTES);
  #filled = 0;

  /** `text` is printable already. `true` when a piece is full and {@link flush} should follow. */
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
