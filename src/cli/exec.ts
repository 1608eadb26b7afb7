import { spawn } from "node:child_process";
import { constants } from "node:os";
import { parseArgs } from "node:util";
import { requireGuardOutage, SMALLEST_GUARD_BUDGET_MS } from "../guard/budget.ts";
import { adoptOrphans, buryOrphans } from "../kernel/process/orphans.ts";
import { type Command, UsageError } from "./command.ts";
import { guardWithin } from "./detect-within.ts";
import { machinePort } from "./linux-only.ts";
import { complain } from "./output.ts";
import { surviveOutage } from "./survive-outage.ts";

const HELP = `Usage: halfopen exec --detect-within 10s [options] -- CMD [ARGS...]

Runs CMD. CMD and the processes that it starts learn within this time that a TCP peer is gone.
Needs no root and no change to the program: the same user may reach the sockets of its own
processes (pidfd_getfd).

  --detect-within 10s      time in which a dead peer must be found, default 10s, at least ${SMALLEST_GUARD_BUDGET_MS / 1000}s
  --survive-outage 4s      the longest outage that must not end a connection, default 0.4 of that time
  --json                   reports each action on standard error as JSON, one object a line
  --quiet                  reports nothing

Signals are passed on. The exit code is CMD's; a signal that ends CMD ends halfopen too.
Exit code: 2 usage, 3 not permitted or not supported, 126 or 127 when CMD cannot be started,
else the program's own.
`;

const CANNOT_RUN = 126;
const NOT_FOUND = 127;
const PASSED_ON = [
  "SIGTERM",
  "SIGHUP",
  "SIGINT",
  "SIGQUIT",
  "SIGUSR1",
  "SIGUSR2",
  "SIGCONT",
  "SIGWINCH",
] as const;
/** A terminal sends these to the whole foreground group, so the program already has them. */
const FROM_TERMINAL: ReadonlySet<string> = new Set(["SIGINT", "SIGQUIT", "SIGWINCH"]);

interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export const exec: Command = { help: HELP, run };

async function run(args: readonly string[]): Promise<number> {
  const end = args.indexOf("--");
  const [file, ...rest] = end < 0 ? [] : args.slice(end + 1);
  if (file === undefined)
    throw new UsageError(
      "exec needs the program after --: halfopen exec --detect-within 10s -- CMD",
    );
  const { values } = parseArgs({
    args: args.slice(0, end),
    options: {
      "detect-within": { type: "string" },
      "survive-outage": { type: "string" },
      json: { type: "boolean" },
      quiet: { type: "boolean" },
    },
  });
  const detectWithinMs = guardWithin(values["detect-within"]);
  const surviveOutageMs = surviveOutage(values["survive-outage"]);
  const port = machinePort("exec");
  requireGuardOutage(detectWithinMs, surviveOutageMs);
  const tell = (text: string): void => void (values.quiet || complain(text));

  const refused = adoptOrphans(port);
  if (refused !== 0)
    tell(
      `halfopen: daemons that leave ${file} at once are not covered: prctl failed, errno ${refused}\n`,
    );
  const child = spawn(file, rest, { stdio: "inherit" });
  // After the start an error means that a signal could not be passed on. The guard goes on.
  const started = new Promise<Error | null>(
    (resolve) => void child.once("spawn", () => resolve(null)).on("error", resolve),
  );
  const ended = new Promise<Ending>(
    (resolve) => void child.once("exit", (code, signal) => resolve({ code, signal })),
  );
  const failure = await started;
  if (failure) return cannotStart(file, failure);
  const stopPassing = passSignals(
    (signal) =>
      child.kill(signal) || tell(`halfopen: ${signal} could not be passed on to ${file}\n`),
  );

  const bury = (): void => buryOrphans(port, child.pid as number);
  process.on("SIGCHLD", bury);

  // Loaded after the start: loading must not keep the program waiting.
  const { guardProgram } = await import("./exec-guard.ts");
  const stopGuard = guardProgram(port, {
    detectWithinMs,
    surviveOutageMs,
    isJson: values.json ?? false,
    tell,
  });

  const { code, signal } = await ended;
  await stopGuard();
  stopPassing();
  process.off("SIGCHLD", bury);
  if (signal === null) return code ?? 0;
  process.kill(process.pid, signal);
  return 128 + constants.signals[signal]; // in case the signal does not end this process
}

function cannotStart(file: string, error: Error): number {
  const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
  complain(`halfopen: ${file}: ${isMissing ? "not found" : error.message}\n`);
  return isMissing ? NOT_FOUND : CANNOT_RUN;
}

function passSignals(pass: (signal: NodeJS.Signals) => unknown): () => void {
  const handlers = PASSED_ON.map((signal) => {
    const handler = (): void => {
      if (!(process.stdin.isTTY && FROM_TERMINAL.has(signal))) pass(signal);
    };
    process.on(signal, handler);
    return () => process.off(signal, handler);
  });
  return () => {
    for (const off of handlers) off();
  };
}
