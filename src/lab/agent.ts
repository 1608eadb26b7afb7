import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createInterface } from "node:readline";
import type { AgentEvent, AgentReply, AgentRequest } from "./messages.ts";

/**
 * The inside of a world: process 1 of its own pid, network and mount namespaces.
 *
 * Carries out the requests that come over standard input, and ends when standard input ends. The
 * kernel then ends every process and network in here. Holds no logic of its own.
 */
const children = new Map<number, ChildProcess>();

function main(): void {
  // A private /run keeps the names of `ip netns` in here, and goes with the mount namespace.
  const mounted = spawnSync("mount", ["-t", "tmpfs", "halfopen-lab", "/run"]);
  if (mounted.status !== 0) {
    process.stderr.write(`the lab's private /run could not be mounted: ${mounted.stderr}\n`);
    process.exit(1);
  }

  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(0));
  createInterface({ input: process.stdin })
    .on("line", (line) => void serve(JSON.parse(line) as AgentRequest))
    .on("close", () => process.exit(0));
  tell({ event: "ready" });
}

async function serve(request: AgentRequest): Promise<void> {
  try {
    tell({ id: request.id, ...(await answer(request)) });
  } catch (error) {
    tell({ id: request.id, error: error instanceof Error ? error.message : String(error) });
  }
}

async function answer(request: AgentRequest): Promise<AgentReply> {
  switch (request.do) {
    case "exec":
      return exec(request.argv, request.input);
    case "spawn":
      return { pid: start(request.argv, request.env) };
    case "write":
      children.get(request.pid)?.stdin?.write(`${request.line}\n`);
      return {};
    case "signal":
      try {
        process.kill(request.pid, request.signal);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
      }
      return {};
  }
}

function exec(argv: readonly string[], input: string | undefined): Promise<AgentReply> {
  const [command = "", ...args] = argv;
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"] });
    const out: string[] = [];
    child.stdout.on("data", (chunk) => out.push(String(chunk)));
    child.stderr.on("data", (chunk) => out.push(String(chunk)));
    child.on("error", (error) => resolve({ code: 127, output: error.message }));
    child.on("close", (code) => resolve({ code: code ?? 1, output: out.join("") }));
    child.stdin.on("error", () => {}); // a command may end without reading its input
    child.stdin.end(input ?? "");
  });
}

function start(argv: readonly string[], env: Readonly<Record<string, string>> = {}): number {
  const [command = "", ...args] = argv;
  const child = spawn(command, args, {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, ...env },
  });
  const pid = child.pid ?? -1;
  children.set(pid, child);

  createInterface({ input: child.stdout }).on("line", (line) => tell({ event: "line", pid, line }));
  createInterface({ input: child.stderr }).on("line", (line) =>
    tell({ event: "error-line", pid, line }),
  );
  child.stdin.on("error", () => {});
  child.on("error", (error) => tell({ event: "error-line", pid, line: error.message }));
  child.on("close", (code, signal) => {
    children.delete(pid);
    tell({ event: "exit", pid, code, signal });
  });
  return pid;
}

function tell(message: (AgentReply & { id?: number }) | AgentEvent): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

main();
