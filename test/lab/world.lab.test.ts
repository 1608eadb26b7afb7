import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import type { LabReport } from "../../src/lab/report.ts";
import { World } from "../../src/lab/world.ts";
import { describeWith } from "../setup/requires.ts";

const MAIN = new URL("../../dist/cli/main.js", import.meta.url).pathname;

/** Returns the live processes that were started with this word in their environment. */
function processesMarked(mark: string): string[] {
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/environ`, "latin1").includes(mark);
    } catch {
      return false; // ended meanwhile, a zombie, or not readable for us
    }
  });
}

await describeWith(["namespaces"], "the lab's world", () => {
  it.concurrent.each(["SIGKILL", "SIGINT", "SIGTERM"] as const)(
    "leaves nothing behind when the lab ends by %s",
    { timeout: 30_000 },
    async (signal) => {
      const mark = `HALFOPEN_TEST_MARK=${signal}-${process.pid}`;
      const [name = "", value = ""] = mark.split("=");
      const lab = spawn(process.execPath, [MAIN, "lab", "--faults", "cable-pulled"], {
        env: { ...process.env, [name]: value },
        stdio: "ignore",
      });
      while (processesMarked(mark).length < 5) await sleep(50);
      const ended = once(lab, "exit");
      lab.kill(signal);
      await ended;
      for (let i = 0; i < 40 && processesMarked(mark).length > 0; i++) await sleep(50);
      expect(processesMarked(mark)).toEqual([]);
    },
  );

  it.concurrent("gives the watched program no capability", async () => {
    await using world = await World.open();
    const network = await world.network();
    const reader = await network.spawn("left", ["grep", "Cap", "/proc/self/status"], {
      unprivileged: true,
    });
    const lines: string[] = [];
    reader.onLine((line) => lines.push(line));
    await new Promise<void>((resolve) => reader.onExit(() => resolve()));
    expect(lines.filter((line) => /^Cap(Inh|Prm|Eff|Bnd|Amb):/.test(line))).toHaveLength(5);
    for (const line of lines) expect(line).toMatch(/:\s*0+$/);
  });
});

await describeWith(["root", "namespaces"], "an ordinary user", () => {
  it("runs the lab in a user namespace of its own", { timeout: 60_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "halfopen-user-"));
    try {
      const root = new URL("../../", import.meta.url).pathname;
      for (const part of ["dist", "package.json", "node_modules/@koromix"])
        cpSync(join(root, part), join(folder, part), { recursive: true });
      const nobody = "65534";
      const asUser = ["--reuid", nobody, "--regid", nobody, "--clear-groups"];
      await run("chmod", ["-R", "a+rX", folder]);
      const lab = [
        process.execPath,
        join(folder, "dist/cli/main.js"),
        "lab",
        "--quick",
        "--faults",
        "cable-pulled",
        "--mechanisms",
        "watch",
        "--json",
      ];
      const report = JSON.parse(await run("setpriv", [...asUser, ...lab])) as LabReport;
      expect(report.environment.asRoot).toBe(false);
      expect(report.cells.length).toBeGreaterThan(0);
      expect(report.cells.filter(({ ok }) => !ok)).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

async function run(command: string, args: readonly string[]): Promise<string> {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"], cwd: "/" });
  const chunks: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`${command} ended with ${code}`);
  return Buffer.concat(chunks).toString();
}
