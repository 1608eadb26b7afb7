#!/usr/bin/env node
import { readFileSync } from "node:fs";
import { HalfOpenError } from "../core/errors.ts";
import { NotPossibleHere, UsageError } from "./command.ts";
import { COMMANDS } from "./commands.ts";
import { complain, print } from "./output.ts";
import { unknownWord } from "./suggest.ts";

async function main(argv: readonly string[]): Promise<number> {
  const [name, ...args] = argv;
  if (name === undefined || name === "--help" || name === "-h" || name === "help") {
    print(overview());
    return name === undefined ? 2 : 0;
  }
  if (name === "--version" || name === "-V") {
    print(`${version()}\n`);
    return 0;
  }

  const entry = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!entry) throw new UsageError(unknownWord("command", name, Object.keys(COMMANDS)));
  const command = await entry.load();
  const ownArgs = args.slice(0, args.includes("--") ? args.indexOf("--") : args.length);
  if (ownArgs.includes("--help") || ownArgs.includes("-h")) {
    print(command.help);
    return 0;
  }
  return command.run(args);
}

function overview(): string {
  const width = Math.max(...Object.keys(COMMANDS).map((name) => name.length));
  const lines = Object.entries(COMMANDS).map(
    ([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`,
  );
  return `halfopen ${version()}: finds out within seconds that the other end of a TCP connection is gone, and says why

Usage: halfopen COMMAND [options]      halfopen COMMAND --help

${lines.join("\n")}

Durations carry a unit: 5s, 500ms, 2h.
Exit codes: 0 fine, 1 found something, 2 usage, 3 not permitted or not supported.
`;
}

function version(): string {
  const file = new URL("../../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}

/** What a call refuses. */
const USAGE: ReadonlySet<string> = new Set(["ERR_OPTION_RANGE", "ERR_OUTAGE_BOUND"]);

/** True for a mistake of the caller. parseArgs throws TypeErrors with these codes. */
function isUsage(error: unknown): error is Error {
  if (error instanceof UsageError) return true;
  if (error instanceof HalfOpenError && USAGE.has(error.code)) return true;
  return (
    error instanceof TypeError &&
    String((error as NodeJS.ErrnoException).code).startsWith("ERR_PARSE_ARGS")
  );
}

// A reader that closes its end early (`halfopen ... | head`) is no error. A reader that no longer
// takes complaints stops nothing.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
});
process.stderr.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});
main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    if (isUsage(error)) {
      complain(`halfopen: ${error.message}\n`);
      process.exitCode = 2;
    } else if (error instanceof NotPossibleHere) {
      complain(`halfopen: ${error.message}\n`);
      process.exitCode = 3;
    } else {
      complain(`halfopen: ${error instanceof Error ? error.stack : String(error)}\n`);
      process.exitCode = 1;
    }
  },
);
