/** A process inside a world. */
export interface LabProcess {
  /** As seen inside the world. */
  readonly pid: number;
  /** Each line of standard output. */
  onLine(listener: (line: string) => void): void;
  onExit(listener: (code: number | null, signal: string | null) => void): void;
  /** What it wrote to standard error so far. */
  readonly errors: readonly string[];
  write(line: string): Promise<void>;
  signal(signal: NodeJS.Signals): Promise<void>;
}

/** What a network is built on: a machine that runs commands. */
export interface LabMachine {
  /** Runs a command to its end and returns its output. @throws Error when it fails */
  exec(argv: readonly string[], input?: string): Promise<string>;
  spawn(argv: readonly string[], env?: Readonly<Record<string, string>>): Promise<LabProcess>;
}

/** The built programs; also when this file runs from the sources, as in tests. */
export const DIST: URL = import.meta.url.includes("/src/")
  ? new URL("../../dist/lab/", import.meta.url)
  : new URL("./", import.meta.url);
