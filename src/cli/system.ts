import { execFileSync } from "node:child_process";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { HalfOpenError } from "../core/errors.ts";
import { systemSettings } from "../kernel/system/system-settings.ts";
import type {
  SystemChange,
  SystemSetting,
  SystemSettingsStore,
} from "../kernel/system/system-settings-store.ts";
import { type Command, type ExitCode, UsageError } from "./command.ts";
import { formatDuration, parseDuration } from "./duration.ts";
import { whereAllowed } from "./linux-only.ts";
import { print, rendered } from "./output.ts";
import { unknownWord } from "./suggest.ts";
import { systemReport, systemReportText } from "./system-report.ts";

const HELP = `Usage: halfopen system [--json]
       halfopen system set [--idle 60s] [--interval 10s] [--count 3] [--retries 8] [--persist]
                           [--yes]

Shows the system-wide keepalive values (Linux sysctl, Windows registry, macOS sysctl), what they
mean for a connection without settings of its own, and which running connections depend on them
(Linux). system set changes them.

  --idle 60s               silence before the first keepalive probe
  --interval 10s           time between probes
  --count 3                unanswered probes that end a connection
  --retries 8              retransmissions before data in flight is given up (tcp_retries2,
                           TcpMaxDataRetransmissions)
  --persist                keeps the values after a restart: a file in /etc/sysctl.d
  --yes                    changes without confirmation
  --json                   prints JSON

A change affects every program of this system (on Linux: of this network namespace). The command
that undoes the change is printed.
Exit code: 0 fine, 1 not confirmed, 2 usage, 3 not permitted or not supported.
`;

export const system: Command = { help: HELP, run };

const SETTING_OPTIONS = {
  idle: { type: "string" },
  interval: { type: "string" },
  count: { type: "string" },
  retries: { type: "string" },
} as const;

async function run(args: readonly string[]): Promise<ExitCode> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      ...SETTING_OPTIONS,
      persist: { type: "boolean" },
      yes: { type: "boolean" },
      json: { type: "boolean" },
    },
  });
  const [word, ...more] = positionals;
  if (word !== undefined && (word !== "set" || more.length > 0))
    throw new UsageError(unknownWord("word", more[0] ?? word, ["set"]));

  return whereAllowed(async () => {
    const store = systemSettings(process.platform, (file, it) =>
      execFileSync(file, it, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }),
    );
    if (word === "set") return set(store, values);
    const stray = Object.keys(values).find((name) => name !== "json");
    if (stray !== undefined) throw new UsageError(`--${stray} belongs to halfopen system set`);
    const report = await systemReport(store);
    print(rendered(report, values.json ? "json" : systemReportText));
    return 0;
  });
}

interface SetOptions {
  readonly idle?: string | undefined;
  readonly interval?: string | undefined;
  readonly count?: string | undefined;
  readonly retries?: string | undefined;
  readonly persist?: boolean | undefined;
  readonly yes?: boolean | undefined;
  readonly json?: boolean | undefined;
}

async function set(store: SystemSettingsStore, options: SetOptions): Promise<ExitCode> {
  const change = changeOf(options);
  const before = store.read();
  const lines = Object.entries(change).map(([setting, value]) => {
    const name = setting as SystemSetting;
    return `  ${store.names[name] ?? name}: ${valueText(name, before[name])} -> ${valueText(name, value)}`;
  });
  if (!options.yes && !(await isConfirmed(lines))) return 1;
  try {
    store.write(change);
    const unpersist = options.persist ? store.persist(change) : null;
    const undo = [undoCommand(change, before), ...(unpersist === null ? [] : [unpersist])];
    const after = store.read();
    const text = (): string => `changed:\n${lines.join("\n")}\nundo: ${undo.join(" && ")}\n`;
    print(rendered({ before, after, undo }, options.json ? "json-line" : text));
    return 0;
  } catch (error) {
    if (error instanceof HalfOpenError && error.code === "ERR_OPTION_RANGE")
      throw new UsageError(error.message);
    throw error;
  }
}

function changeOf(options: SetOptions): SystemChange {
  const change: SystemChange = {
    ...(options.idle === undefined ? {} : { idleMs: parseDuration(options.idle, "--idle") }),
    ...(options.interval === undefined
      ? {}
      : { intervalMs: parseDuration(options.interval, "--interval") }),
    ...(options.count === undefined ? {} : { count: wholeNumber(options.count, "--count") }),
    ...(options.retries === undefined
      ? {}
      : { dataRetries: wholeNumber(options.retries, "--retries") }),
  };
  if (Object.keys(change).length > 0) return change;
  throw new UsageError(
    "halfopen system set needs something to set: --idle, --interval, --count or --retries",
  );
}

function wholeNumber(text: string, option: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new UsageError(`${option} takes a whole number, got ${JSON.stringify(text)}`);
}

async function isConfirmed(changes: readonly string[]): Promise<boolean> {
  if (!process.stdin.isTTY)
    throw new UsageError(
      "a change of the whole system needs confirmation, and standard input is no terminal; add --yes",
    );
  print(`This changes every program of this system:\n${changes.join("\n")}\nGo on? [y/N] `);
  const lines = createInterface({ input: process.stdin });
  try {
    for await (const answer of lines) return /^y(es)?$/i.test(answer.trim());
    return false; // an ended input is no confirmation
  } finally {
    lines.close();
  }
}

/**
 * Returns the command that restores the earlier values. A value that the system did not report is
 * left out.
 */
function undoCommand(
  change: SystemChange,
  before: ReturnType<SystemSettingsStore["read"]>,
): string {
  const OPTION: Readonly<Record<SystemSetting, string>> = {
    idleMs: "--idle",
    intervalMs: "--interval",
    count: "--count",
    dataRetries: "--retries",
  };
  const words = (Object.keys(change) as SystemSetting[]).flatMap((setting) => {
    const value = before[setting];
    if (value === null) return [];
    return [OPTION[setting], setting.endsWith("Ms") ? `${value}ms` : String(value)];
  });
  return `halfopen system set ${words.join(" ")} --yes`;
}

function valueText(setting: SystemSetting, value: number | null): string {
  if (value === null) return "?";
  return setting.endsWith("Ms") ? formatDuration(value) : String(value);
}
