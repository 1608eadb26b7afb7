import { spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:os";
import { parseArgs } from "node:util";
import { SMALLEST_GUARD_BUDGET_MS } from "../machine/confirmed-verdict.ts";
import { MATCH_ALL } from "../machine/connection-filter.ts";
import { GuardActions } from "../machine/guard-actions.ts";
import { GuardEngine } from "../machine/guard-engine.ts";
import type { GuardEvent } from "../machine/guard-event.ts";
import { GuardLoop } from "../machine/guard-loop.ts";
import { LinuxGuardWorld } from "../machine/linux-guard-world.ts";
import { DEFAULT_BRAKE, MassDeathBrake } from "../machine/mass-death-brake.ts";
import { ProcessTree } from "../machine/process-tree.ts";
import { type Command, UsageError } from "./command.ts";
import { parseDuration } from "./duration.ts";
import { guardLine } from "./guard-line.ts";
import { machinePort } from "./linux-only.ts";

const HELP = `Usage: halfopen exec --detect-within 10s [options] -- CMD [ARGS...]

Runs CMD and sees to it that it, and the processes it starts, learn within this time that the other end of a TCP connection is gone.
No root and no change to the program: the same user may reach the sockets of what it started (pidfd_getfd).

  --detect-within 10s      how soon a dead peer must be found, at least 3s, default 10s
  --json                   tells on standard error what was done as JSON, one object a line
  --quiet                  tells nothing

The exit code is CMD's; a signal that ends CMD ends this too; 126 and 127 when CMD cannot be started. Signals are passed on.
Exit code: 2 usage, 3 not permitted or not supported, else the program's own.
`;

const DEFAULT_DETECT_WITHIN_MS = 10_000;
const ZERO_WINDOW_TOLERANCE_MS = 60_000;
/** Children and connections that live shorter than this need no guard: none can die for longer than the budget in that time. */
const LONGEST_SWEEP_MS = 1000;
const CANNOT_RUN = 126;
const NOT_FOUND = 127;
const PASSED_ON = ["SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGCONT", "SIGWINCH"] as const;
/** A terminal sends these to the whole foreground group, so the program has them already. */
const FROM_TERMINAL: ReadonlySet<string> = new Set(["SIGINT", "SIGQUIT", "SIGWINCH"]);

export const exec: Command = { help: HELP, run };

async function run(args: readonly string[]): Promise<number> {
  const end = args.indexOf("--");
  const [file, ...rest] = end < 0 ? [] : args.slice(end + 1);
  if (file === undefined) throw new UsageError("exec needs the program after --: halfopen exec --detect-within 10s -- CMD");
  const { values } = parseArgs({
    args: args.slice(0, end),
    options: { "detect-within": { type: "string" }, json: { type: "boolean" }, quiet: { type: "boolean" } },
  });
  const within = values["detect-within"];
  const detectWithinMs = within === undefined ? DEFAULT_DETECT_WITHIN_MS : parseDuration(within, "--detect-within");
  if (detectWithinMs < SMALLEST_GUARD_BUDGET_MS) {
    throw new UsageError(`--detect-within takes at least ${SMALLEST_GUARD_BUDGET_MS}ms, got ${within}: two verdicts must fit`);
  }
  const port = machinePort("exec");
  const tell = (text: string): void => void (values.quiet || process.stderr.write(`${text}\n`));
  const log = (event: GuardEvent): void => {
    if (values.json) tell(JSON.stringify(event));
    else if (event.action === "destroy" || event.action === "error") tell(`halfopen: ${guardLine(event)}`);
  };

  const child = spawn(file, rest, { stdio: "inherit" });
  const failure = await Promise.race([once(child, "spawn").then(() => null), once(child, "error").then(([error]) => error as Error)]).catch(
    (error: Error) => error,
  );
  if (failure) return cannotStart(file, failure);
  const ended = once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
  const stopPassing = passSignals((signal) => child.kill(signal));

  const tree = new ProcessTree(child.pid as number);
  const world = new LinuxGuardWorld({ port, ending: "disconnect", pids: () => tree.pids() });
  const rule = { name: "exec", match: MATCH_ALL, detectWithinMs, endsDead: true, includesListeners: true, includesLoopback: false };
  const actions = new GuardActions({ world, apply: true, zeroWindowToleranceMs: ZERO_WINDOW_TOLERANCE_MS, log });
  const brake = new MassDeathBrake(DEFAULT_BRAKE);
  const engine = new GuardEngine({ world, actions, brake, rules: [rule], onlyOwned: true }, performance.now());
  const onProblem = (problem: string): void => tell(`halfopen: ${problem}`);
  const loop = new GuardLoop({ port, world, engine, sweepMs: Math.min(LONGEST_SWEEP_MS, detectWithinMs / 5), onProblem });
  try {
    loop.start();
  } catch (error) {
    // The program runs already, and goes on without a guard.
    onProblem((error as Error).message);
  }
  const [code, signal] = await ended;
  loop.stop();
  stopPassing();
  if (signal === null) return code ?? 0;
  process.kill(process.pid, signal);
  return 128 + constants.signals[signal]; // should the signal not end us
}

function cannotStart(file: string, error: Error): number {
  const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
  process.stderr.write(`halfopen: ${file}: ${isMissing ? "not found" : error.message}\n`);
  return isMissing ? NOT_FOUND : CANNOT_RUN;
}

function passSignals(pass: (signal: NodeJS.Signals) => void): () => void {
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
