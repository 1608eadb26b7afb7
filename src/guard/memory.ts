import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { type ConnectionOptions, isSameOptions } from "../kernel/options/connection-options.ts";

/**
 * The options that programs had before the guard changed them, by the socket's cookie. Kept in a
 * file, they are known to the next guard too, even when this one was killed.
 */
export class GuardMemory {
  readonly #path: string | null;
  readonly #own: Map<number, ConnectionOptions>;
  readonly #onProblem: (problem: string) => void;
  #isChanged = false;

  /**
   * `path`: a file, which need not exist; an unreadable file counts as empty. `null`: the memory
   * ends with this process.
   */
  constructor(path: string | null = null, onProblem: (problem: string) => void = () => {}) {
    this.#path = path;
    this.#onProblem = onProblem;
    this.#own = path === null ? new Map() : read(path);
  }

  /** Returns `null` when the guard has changed nothing. */
  of(key: number): ConnectionOptions | null {
    return this.#own.get(key) ?? null;
  }

  /** Notes the options of a program. */
  note(key: number, options: ConnectionOptions): void {
    const known = this.#own.get(key);
    if (known && isSameOptions(known, options)) return;
    this.#own.set(key, options);
    this.#isChanged = true;
  }

  /** Forgets a socket: its program has its own options again, or the socket is gone. */
  forget(key: number): void {
    if (this.#own.delete(key)) this.#isChanged = true;
  }

  /** Forgets the sockets for which `isThere` returns false. */
  keepOnly(isThere: (key: number) => boolean): void {
    for (const key of this.#own.keys()) if (!isThere(key)) this.forget(key);
  }

  /** Writes the file if anything has changed. */
  save(): void {
    if (this.#path === null || !this.#isChanged) return;
    this.#isChanged = false;
    try {
      const saved: Saved = { boot: bootId(), own: Object.fromEntries(this.#own) };
      const next = `${this.#path}.next`;
      mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
      writeFileSync(next, JSON.stringify(saved), { mode: 0o600 });
      renameSync(next, this.#path);
    } catch (error) {
      this.#onProblem(
        `the settings of programs cannot be saved for the next guard: ${(error as Error).message}`,
      );
    }
  }
}

/** The file. The boot id is there because cookies are unique only until the machine restarts. */
interface Saved {
  readonly boot: string;
  readonly own: Readonly<Record<string, ConnectionOptions>>;
}

function read(path: string): Map<number, ConnectionOptions> {
  try {
    const { boot, own } = JSON.parse(readFileSync(path, "utf8")) as Saved;
    if (boot !== bootId()) return new Map();
    return new Map(Object.entries(own).map(([key, options]) => [Number(key), options]));
  } catch {
    return new Map();
  }
}

function bootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}
