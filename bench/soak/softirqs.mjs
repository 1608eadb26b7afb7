// What the kernel did inside a thread's time for everybody: packets that came in, timers that were
// due. It runs in whichever thread an interrupt meets, and is charged to it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const READER = fileURLToPath(new URL("./softirq-reader.mjs", import.meta.url));

export class Softirqs {
  #reader;
  /** When each began and ended, in ms of the monotonic clock. */
  #spans = [];

  /**
   * Of the threads of that name, from now on; `null` where the kernel does not let us trace (it
   * takes root).
   */
  static async in(threadName) {
    const reader = spawn("unshare", ["--mount", process.execPath, READER, threadName], {
      stdio: ["pipe", "pipe", "ignore"],
    });
    const lines = createInterface({ input: reader.stdout });
    const ready = once(lines, "line").then(() => true);
    const failed = Promise.race([once(reader, "exit"), once(reader, "error")]).then(() => false);
    if (!(await Promise.race([ready, failed]))) return null;
    const its = new Softirqs();
    its.#reader = reader;
    lines.on("line", (line) => its.#spans.push(...line.split(" ").map(Number)));
    return its;
  }

  /** How many ms of that time. */
  within(from, to) {
    let sum = 0;
    for (let i = 0; i < this.#spans.length; i += 2)
      sum += Math.max(0, Math.min(to, this.#spans[i + 1]) - Math.max(from, this.#spans[i]));
    return sum;
  }

  async end() {
    if (this.#reader.exitCode !== null || this.#reader.signalCode !== null) return;
    const ended = once(this.#reader, "exit");
    this.#reader.stdin.end();
    await ended;
  }
}
