/** A process inside a world. */
export interface LabProcess {
  /** Process id inside the world. */
  readonly pid: number;
  /** Calls `listener` with each line of standard output. */
  onLine(listener: (line: string) => void): void;
  onExit(listener: (code: number | null, signal: string | null) => void): void;
  /** Lines written to standard error so far. */
  readonly errors: readonly string[];
  write(line: string): Promise<void>;
  signal(signal: NodeJS.Signals): Promise<void>;
}

/** A machine that runs commands. A network is built on one. */
export interface LabMachine {
  /** Runs a command to its end and returns its output. @throws Error when the command fails */
  exec(argv: readonly string[], input?: string): Promise<string>;
  spawn(argv: readonly string[], env?: Readonly<Record<string, string>>): Promise<LabProcess>;
}

/** Folder of the built programs: from a part of the bundle, or from the sources, as in tests. */
export const DIST: URL = import.meta.url.endsWith(".ts")
  ? new URL("../../dist/lab/", import.meta.url)
  : new URL("../lab/", import.meta.url);
