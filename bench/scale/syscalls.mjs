// System calls, counted by strace: counts hold where times wander.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * Counts of each call of a running process over `ms`, or `null` where strace is missing or may not
 * attach.
 */
export function countSyscalls(pid, ms) {
  return counted(async (out) => {
    const strace = spawn("strace", ["-c", "-f", "-o", out, "-p", String(pid)], { stdio: "ignore" });
    await sleep(ms);
    strace.kill("SIGINT");
    await once(strace, "exit");
  });
}

/** Counts of each call of a program from its start to its end. Its output is thrown away. */
export function countSyscallsOf(argv) {
  return counted(async (out) => {
    await once(spawn("strace", ["-c", "-f", "-o", out, ...argv], { stdio: "ignore" }), "exit");
  });
}

/** What strace left in the file that `run` has it write. */
async function counted(run) {
  if (spawnSync("strace", ["-V"]).status !== 0) return null;
  const folder = mkdtempSync(join(tmpdir(), "halfopen-bench-"));
  try {
    const out = join(folder, "counts");
    await run(out);
    const text = existsSync(out) ? readFileSync(out, "utf8") : null;
    return text === null ? null : parse(text);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function parse(text) {
  const calls = {};
  for (const line of text.split("\n")) {
    // % time, seconds, usecs/call, calls, [errors,] syscall
    const fields = line.trim().split(/\s+/);
    if (/^\d/.test(fields[0] ?? "") && fields.at(-1) !== "total")
      calls[fields.at(-1)] = Number(fields[3]);
  }
  const total = Object.values(calls).reduce((sum, count) => sum + count, 0);
  return { total, calls };
}
