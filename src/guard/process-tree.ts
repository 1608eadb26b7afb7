import { readFileSync } from "node:fs";
import { listPids } from "../survey/owners.ts";

interface Process {
  readonly parent: number;
  /** In clock ticks since boot: with the pid it names one process for ever. */
  readonly startedAt: number;
}

/**
 * All that came from a process. Who was once seen in the tree stays, also when its parent ends and
 * another adopts it.
 */
export class ProcessTree {
  readonly #members: Map<number, number> = new Map();
  readonly #root: number;

  constructor(root: number) {
    this.#root = root;
  }

  /** The members that live now, the process itself not among them. */
  pids(): number[] {
    const processes = new Map<number, Process>();
    for (const pid of listPids()) {
      const process = readProcess(pid);
      if (process) processes.set(pid, process);
    }
    for (const [pid, startedAt] of this.#members)
      if (processes.get(pid)?.startedAt !== startedAt) this.#members.delete(pid);
    for (const [pid, { startedAt }] of processes)
      if (this.#isOurs(pid, processes)) this.#members.set(pid, startedAt);
    return [...this.#members.keys()].sort((a, b) => a - b);
  }

  #isOurs(pid: number, processes: ReadonlyMap<number, Process>): boolean {
    // A pid counter that wraps can make a child older than its parent in number, never in time, so
    // this walk ends at process 1 or 0.
    if (pid === this.#root) return false;
    for (let at = pid; at > 0; at = processes.get(at)?.parent ?? 0)
      if (at === this.#root || this.#members.has(at)) return true;
    return false;
  }
}

/**
 * /proc/PID/stat, proc(5): the name in parentheses may hold anything, so fields are counted from
 * its end.
 */
function readProcess(pid: number): Process | null {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    return null; // gone meanwhile
  }
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { parent: Number(fields[1]), startedAt: Number(fields[19]) };
}
