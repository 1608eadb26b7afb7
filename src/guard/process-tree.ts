import { readFileSync } from "node:fs";
import { listPids } from "../survey/owners.ts";

/**
 * All processes that descend from one. A process once seen in the tree stays a member, also when
 * its parent ends and another process adopts it.
 */
export class ProcessTree {
  /** When each member started, by pid. */
  readonly #members: Map<number, number> = new Map();
  readonly #root: number;

  constructor(root: number) {
    this.#root = root;
  }

  /** Returns the pids of the living members, without the root itself. */
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
    // The walk ends at process 1 or 0: parents can have a higher pid, after the counter wrapped,
    // but never a later start.
    if (pid === this.#root) return false;
    for (let at = pid; at > 0; at = processes.get(at)?.parent ?? 0)
      if (at === this.#root || this.#members.has(at)) return true;
    return false;
  }
}

interface Process {
  readonly parent: number;
  /** In clock ticks since boot. Pid and start together name one process for ever. */
  readonly startedAt: number;
}

/**
 * Reads /proc/PID/stat, see proc(5). The name in parentheses may hold anything, so fields are
 * counted from its end.
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
