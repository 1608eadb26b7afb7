/**
 * 0 fine, 1 found something wrong, 2 usage, 3 not permitted or not supported here:
 * docs/errors.md#on-the-command-line.
 */
export type ExitCode = 0 | 1 | 2 | 3;

/** Exit code of a program that the command ran, 0 to 255. */
export type ForeignExitCode = number;

/**
 * One subcommand. Its file reads the arguments with {@link
 * https://nodejs.org/api/util.html#utilparseargsconfig | parseArgs}.
 */
export interface Command {
  /** The text of `halfopen COMMAND --help`. */
  readonly help: string;
  /** @throws UsageError for arguments that the command refuses */
  run(args: readonly string[]): Promise<ExitCode | ForeignExitCode>;
}

/**
 * A mistake of the caller. Its message goes to standard error without a stack; the exit code is 2.
 */
export class UsageError extends Error {}

/**
 * Something that this system lacks or forbids. The message says what would allow it; the exit code
 * is 3.
 */
export class NotPossibleHere extends Error {}
