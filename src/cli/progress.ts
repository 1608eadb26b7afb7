import type { WriteStream } from "node:tty";

/** One line on standard error that is rewritten on a terminal, and left out elsewhere: a log file wants results only. */
export class Progress {
  readonly #stream: WriteStream;
  #width = 0;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  show(text: string): void {
    if (!this.#stream.isTTY) return;
    const line = text.slice(0, this.#stream.columns - 1);
    this.#stream.write(`\r${line.padEnd(this.#width)}`);
    this.#width = line.length;
  }

  /** Removes the line, so that what follows starts on a clean one. */
  end(): void {
    if (this.#width > 0) this.#stream.write(`\r${" ".repeat(this.#width)}\r`);
    this.#width = 0;
  }
}
