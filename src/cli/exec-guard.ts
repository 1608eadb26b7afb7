import { printable } from "../core/printable.ts";
import { GuardActions } from "../guard/actions.ts";
import { GuardEngine } from "../guard/engine.ts";
import type { GuardEvent } from "../guard/event.ts";
import { LinuxGuardWorld } from "../guard/linux-world.ts";
import { GuardLoop } from "../guard/loop.ts";
import { NO_BRAKE } from "../guard/mass-death-brake.ts";
import { ProcessTree } from "../guard/process-tree.ts";
import type { SystemPort } from "../kernel/port/port.ts";
import { MATCH_ALL } from "../survey/connection-filter.ts";
import { guardLine } from "./guard-line.ts";
import { rendered } from "./output.ts";

/**
 * Guards the programs that this process started, and their descendants, as the same user. The
 * returned function ends the guard. Never throws.
 */
export function guardProgram(
  port: SystemPort,
  { detectWithinMs, surviveOutageMs, isJson, tell }: ProgramGuardOptions,
): () => Promise<void> {
  const log = (event: GuardEvent): void => {
    if (isJson || event.action !== "set")
      tell(rendered(event, isJson ? "json-line" : (it) => `halfopen: ${guardLine(it)}\n`));
  };

  const tree = new ProcessTree(process.pid);
  const world = new LinuxGuardWorld({ port, ending: "disconnect", pids: () => tree.pids() });
  const rule = {
    name: "exec",
    match: MATCH_ALL,
    detectWithinMs,
    surviveOutageMs,
    endsDead: true,
    includesListeners: true,
    includesLoopback: false,
  };

  const actions = new GuardActions({
    world,
    apply: true,
    zeroWindowToleranceMs: ZERO_WINDOW_TOLERANCE_MS,
    holdAtMostMs: NO_BRAKE.holdAtMostMs,
    log,
  });
  const engine = new GuardEngine(
    { world, actions, brake: NO_BRAKE, rules: [rule], onlyOwned: true },
    performance.now(),
  );

  const onProblem = (problem: string): void => tell(`halfopen: ${printable(problem)}\n`);
  const loop = new GuardLoop({
    port,
    world,
    engine,
    sweepMs: Math.min(LONGEST_SWEEP_MS, detectWithinMs / 5),
    onProblem,
  });

  try {
    loop.start();
  } catch (error) {
    // The program runs already and goes on without a guard.
    onProblem(`${(error as Error).message}; the program runs without a guard`);
  }
  return () => loop.stop();
}

interface ProgramGuardOptions {
  readonly detectWithinMs: number;
  readonly surviveOutageMs: number | undefined;
  /** Reports every event, as JSON. Otherwise only what was ended, held or failed, in words. */
  readonly isJson: boolean;
  readonly tell: (text: string) => void;
}

const ZERO_WINDOW_TOLERANCE_MS = 60_000;
/**
 * Longest time between two sweeps. A child or connection that lives shorter needs no guard: its
 * peer cannot be dead for longer than the budget in that time.
 */
const LONGEST_SWEEP_MS = 1000;
