import { printable } from "../core/printable.ts";

/**
 * Shows progress as one line on standard error that is rewritten in place. Writes nothing when
 * standard error is no terminal: a log file wants results only.
 */
export class Progress {
  #width = 0;

  show(text: string): void {
    if (!process.stderr.isTTY) return;
    const line = printable(text).slice(0, process.stderr.columns - 1);
    process.stderr.write(`\r${line.padEnd(this.#width)}`);
    this.#width = line.length;
  }

  /** Removes the line, so that what follows starts on a clean one. */
  end(): void {
    if (this.#width > 0) process.stderr.write(`\r${" ".repeat(this.#width)}\r`);
    this.#width = 0;
  }
}
