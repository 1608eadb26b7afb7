import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { type ConnectionOptions, isSameOptions } from "../kernel/options/connection-options.ts";

/** What is kept: cookies are unique until the machine starts anew. */
interface Kept {
  readonly boot: string;
  readonly own: Readonly<Record<string, ConnectionOptions>>;
}

/**
 * The options that programs had before the guard changed them, by the socket's cookie. With a file
 * the guard that comes after this one knows them too, also when this one was killed.
 */
export class GuardMemory {
  readonly #path: string | null;
  readonly #own: Map<number, ConnectionOptions>;
  readonly #onProblem: (problem: string) => void;
  #isChanged = false;

  /**
   * `path` of a file that need not exist; `null`: nothing outlasts this process. What cannot be
   * read counts as nothing.
   */
  constructor(path: string | null = null, onProblem: (problem: string) => void = () => {}) {
    this.#path = path;
    this.#onProblem = onProblem;
    this.#own = path === null ? new Map() : read(path);
  }

  /** `null`: the guard has changed nothing. */
  of(key: number): ConnectionOptions | null {
    return this.#own.get(key) ?? null;
  }

  /** Notes what a program has. */
  note(key: number, options: ConnectionOptions): void {
    const known = this.#own.get(key);
    if (known && isSameOptions(known, options)) return;
    this.#own.set(key, options);
    this.#isChanged = true;
  }

  /** The program has its own again, or the socket is gone. */
  forget(key: number): void {
    if (this.#own.delete(key)) this.#isChanged = true;
  }

  /** Forgets all that `isThere` does not know. */
  keepOnly(isThere: (key: number) => boolean): void {
    for (const key of this.#own.keys()) if (!isThere(key)) this.forget(key);
  }

  /** Writes the file if there is news. */
  save(): void {
    if (this.#path === null || !this.#isChanged) return;
    this.#isChanged = false;
    try {
      const kept: Kept = { boot: bootId(), own: Object.fromEntries(this.#own) };
      const next = `${this.#path}.next`;
      mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
      writeFileSync(next, JSON.stringify(kept), { mode: 0o600 });
      renameSync(next, this.#path);
    } catch (error) {
      this.#onProblem(
        `what programs had set cannot be kept for the next guard: ${(error as Error).message}`,
      );
    }
  }
}

function read(path: string): Map<number, ConnectionOptions> {
  try {
    const { boot, own } = JSON.parse(readFileSync(path, "utf8")) as Kept;
    if (boot !== bootId()) return new Map();
    return new Map(Object.entries(own).map(([key, options]) => [Number(key), options]));
  } catch {
    return new Map();
  }
}

function bootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}
