import type { Diagnosis } from "../core/diagnosis.ts";

/**
 * Yields the diagnoses of a watch as they come, until its end. No listener: a program may take all
 * listeners off a watcher.
 */
export class DiagnosisReader implements AsyncIterable<Diagnosis> {
  readonly #queue: Diagnosis[];
  #hasEnded = false;
  #wake: (() => void) | null = null;

  constructor(first: Diagnosis | null) {
    this.#queue = first ? [first] : [];
  }

  push(diagnosis: Diagnosis): void {
    this.#queue.push(diagnosis);
    this.#wake?.();
  }

  end(): void {
    this.#hasEnded = true;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Diagnosis> {
    for (;;) {
      for (let next = this.#queue.shift(); next; next = this.#queue.shift()) yield next;
      if (this.#hasEnded) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
