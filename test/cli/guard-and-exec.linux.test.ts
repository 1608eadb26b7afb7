import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "halfopen-guard-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Outcome {
  readonly code: number | null;
  readonly signal: string | null;
  readonly output: string;
  readonly errors: string;
}

async function run(
  args: readonly string[],
  during?: (child: ReturnType<typeof spawn>) => Promise<void>,
): Promise<Outcome> {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  let errors = "";
  child.stdout.on("data", (chunk) => {
    output += String(chunk);
  });
  child.stderr.on("data", (chunk) => {
    errors += String(chunk);
  });
  const closed = once(child, "close");
  await during?.(child);
  const [code, signal] = (await closed) as [number | null, string | null];
  return { code, signal, output, errors };
}

async function until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 200; i++) {
    if (await isTrue()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("waited 10 s in vain");
}

const fetched = (socketPath: string): Promise<string> =>
  new Promise((resolve, reject) => {
    get({ socketPath, path: "/metrics" }, async (response) => {
      let text = "";
      for await (const chunk of response) text += String(chunk);
      resolve(text);
    }).on("error", reject);
  });

describe.runIf(process.platform === "linux")("halfopen exec", () => {
  it("returns the program's exit code, or 126 and 127 when the program cannot be started", async () => {
    expect((await run(["exec", "--", "sh", "-c", "exit 42"])).code).toBe(42);
    expect(await run(["exec", "--", "/nowhere/at/all"])).toMatchObject({ code: 127, output: "" });
    expect(await run(["exec", "--", "/etc/passwd"])).toMatchObject({ code: 126 });
    expect(await run(["exec", "--detect-within", "1s", "--", "true"])).toMatchObject({ code: 2 });
    expect(await run(["exec"])).toMatchObject({ code: 2 });
  });

  it("loads nothing of the guard before the program runs", () => {
    const source = readFileSync(new URL("../../src/cli/exec.ts", import.meta.url), "utf8");
    const imported = [...source.matchAll(/^import .* from "\.\.\/(.*)\.ts";$/gm)].map(
      ([, path]) => path,
    );
    expect(imported).toEqual(["guard/budget", "kernel/process/orphans"]);
  });

  it("ends by the signal that ended the program", async () => {
    expect(await run(["exec", "--", "sh", "-c", "kill -KILL $$"])).toMatchObject({
      code: null,
      signal: "SIGKILL",
    });
  });

  it("passes signals on and waits for the program to end", async () => {
    const script = 'trap "echo got; exit 9" TERM; echo ready; while :; do sleep 0.05; done';
    let isReady = false;
    const outcome = await run(["exec", "--", "sh", "-c", script], async (child) => {
      child.stdout?.on("data", (chunk) => {
        isReady ||= String(chunk).includes("ready");
      });
      await until(() => isReady);
      child.kill("SIGTERM");
    });
    expect(outcome).toMatchObject({ code: 9, output: "ready\ngot\n" });
  });
});

describe.runIf(process.platform === "linux")("halfopen guard", () => {
  it("serves metrics on a Unix socket, keeps the old rules when new ones are wrong, and exits with 0 on SIGTERM", async () => {
    const rules = join(folder, "rules.yaml");
    const metrics = join(folder, "metrics.sock");
    // No process has this name: the machine may hold other people's connections.
    writeFileSync(
      rules,
      "rules:\n  - name: none\n    detect-within: 5s\n    match: { process: no-such-name }\n",
    );
    const outcome = await run(
      ["guard", "--rules", rules, "--metrics", metrics, "--json"],
      async (child) => {
        let complaint = "";
        child.stderr?.on("data", (chunk) => {
          complaint += String(chunk);
        });
        await until(() => existsSync(metrics));
        await until(async () => /halfopen_guard_surveys_total [1-9]/.test(await fetched(metrics)));
        const text = await fetched(metrics);
        expect(text).toContain("# TYPE halfopen_guard_actions_total counter\n");
        expect(text).toContain('halfopen_guard_actions_total{action="destroy"} 0\n');
        writeFileSync(rules, "rules:\n  - name: none\n");
        child.kill("SIGHUP");
        await until(() => complaint.includes("the old rules stay"));
        expect(complaint).toContain("rules.yaml:2:5:");
        child.kill("SIGTERM");
      },
    );
    expect(outcome).toMatchObject({ code: 0, signal: null, output: "" });
  });

  it("reports ready, alive, reloading and stopping to the service manager", async () => {
    const path = join(folder, "notify.sock");
    const listener = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind(sys.argv[1]); print("bound", flush=True)
while True:
  text = s.recv(4096).decode(); print(text, flush=True)
  if text == "STOPPING=1": break`;
    const manager = spawn("python3", ["-c", listener, path], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let heard = "";
    manager.stdout.on("data", (chunk) => {
      heard += String(chunk);
    });
    await until(() => heard.includes("bound"));
    const child = execFile(
      process.execPath,
      [MAIN, "guard", "--detect-within", "5s", "--process", "no-such-name"],
      {
        env: { ...process.env, NOTIFY_SOCKET: path },
      },
    );
    await until(() => heard.includes("READY=1"));
    await until(() => heard.split("WATCHDOG=1").length > 2);
    child.kill("SIGHUP");
    await until(() => /RELOADING=1\nMONOTONIC_USEC=\d+\nREADY=1\n/.test(heard));
    const ended = once(manager, "exit");
    child.kill("SIGTERM");
    await ended;
    expect(heard.trimEnd().split("\n").at(-1)).toBe("STOPPING=1");
  });

  it("refuses wrong arguments with exit code 2", async () => {
    expect(await run(["guard"])).toMatchObject({ code: 2 });
    expect(await run(["guard", "--detect-within", "1s"])).toMatchObject({ code: 2 });
    const elsewhere = await run([
      "guard",
      "--detect-within",
      "5s",
      "--process",
      "no-such-name",
      "--metrics",
      "0.0.0.0:9555",
    ]);
    expect(elsewhere).toMatchObject({ code: 2 });
    expect(elsewhere.errors).toContain("loopback");
  });
});
