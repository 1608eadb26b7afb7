/**
 * 0 fine, 1 found something wrong, 2 usage, 3 not permitted or not supported here:
 * docs/errors.md#on-the-command-line.
 */
export type ExitCode = 0 | 1 | 2 | 3;

/** What a program that the command ran has returned, 0 to 255. */
export type ForeignExitCode = number;

/**
 * One subcommand: a file of its own that {@link
 * https://nodejs.org/api/util.html#utilparseargsconfig | parseArgs} reads the arguments in.
 */
export interface Command {
  /** What `halfopen COMMAND --help` prints. */
  readonly help: string;
  /** @throws UsageError for arguments it cannot take */
  run(args: readonly string[]): Promise<ExitCode | ForeignExitCode>;
}

/** The caller's mistake: its message goes to standard error without a stack, the exit code is 2. */
export class UsageError extends Error {}

/**
 * What this system does not have or allow: the message says what would allow it, the exit code is
 * 3.
 */
export class NotPossibleHere extends Error {}
