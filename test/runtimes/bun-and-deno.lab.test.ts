import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { afterAll, expect, it } from "vitest";
import { whyNoDescriptors } from "../../src/kernel/port/runtime.ts";
import { World } from "../../src/lab/world.ts";
import { startWatchedProgram } from "../lab/watched-program.ts";
import { graceMs } from "../setup/grace.ts";
import { type OtherRuntime, otherRuntime } from "../setup/other-runtimes.ts";
import { platformTable } from "../setup/platform-table.ts";
import { describeWith } from "../setup/requires.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const RUNTIMES: readonly OtherRuntime[] = ["bun", "deno"];
const BUDGET_MS = 5000;

await describeWith(["namespaces", "bun", "deno"], "another runtime", () => {
  const caches = mkdtempSync(join(tmpdir(), "halfopen-runtimes-"));
  const env = { DENO_DIR: join(caches, "deno"), BUN_INSTALL_CACHE_DIR: join(caches, "bun") };
  afterAll(() => rmSync(caches, { recursive: true, force: true }));

  async function linesOf(command: readonly string[], program: string): Promise<string[]> {
    const [file = "", ...args] = command;
    const options = { env: { ...process.env, ...env }, cwd: ROOT };
    // Rejects for any exit code but 0.
    const { stdout } = await promisify(execFile)(file, [...args, join(ROOT, program)], options);
    return stdout.trim().split("\n");
  }

  /** Returns the last line of a program, parsed as JSON. */
  async function told(command: readonly string[], program: string): Promise<unknown> {
    return JSON.parse((await linesOf(command, program)).at(-1) ?? "");
  }

  it.concurrent.each(RUNTIMES)("does what the platform table promises: %s", async (name) => {
    const lines = await linesOf(await otherRuntime(name), "scripts/platform-conformance.mjs").catch(
      ({ stdout }) => [stdout],
    );
    const expected = Object.entries(platformTable("docs/platforms.md")).map(([capability, row]) => [
      capability,
      row["Bun, Deno"],
    ]);
    expect(lines.slice(0, -1).map((line) => line.replace(/^works +/, ""))).toEqual(
      expected.map(([capability]) => capability),
    );
    expect(new Set(expected.map(([, cell]) => cell))).toEqual(new Set(["run in CI"]));
  });

  it.concurrent.each(RUNTIMES)(
    "leaves live peers alone and finds a pulled cable, plain and TLS, IPv4 and IPv6: %s",
    async (name) => {
      await using world = await World.open();
      const network = await world.network();
      const connections = ([4, 6] as const).flatMap((family) =>
        [false, true].map((tls) => ({
          id: `${family} ${tls}`,
          host: network.address("right", family),
          tls,
        })),
      );
      const watched = connections.map((it) => ({
        ...it,
        traffic: "idle" as const,
        budgetMs: BUDGET_MS,
      }));
      const subject = await startWatchedProgram(network, watched, env, await otherRuntime(name));
      await sleep(BUDGET_MS);
      expect(subject.events.filter(({ event }) => event !== "connected")).toEqual([]);
      const cutAt = performance.now();
      await network.pullCable();
      const dead = await Promise.all(connections.map(({ id }) => subject.event("dead", id)));
      expect(performance.now() - cutAt).toBeLessThan(BUDGET_MS + graceMs());
      for (const { diagnosis } of dead) expect(diagnosis).toMatchObject({ cause: "path-silent" });
    },
  );

  it("under Deno without permissions loads, names the missing permission and watches at a lower level", async () => {
    const program = "test/runtimes/peer-resets.mjs";
    expect(
      await told(await otherRuntime("deno", ["--allow-net", "--allow-import"]), program),
    ).toEqual({
      level: "core",
      cause: "peer-reset",
      backEnd: null,
      why: expect.stringMatching(/start Deno with --allow-ffi and --allow-read/),
    });
    const allowed = ["--allow-net", "--allow-read", "--allow-ffi"];
    expect(await told(await otherRuntime("deno", allowed), program)).toMatchObject({
      level: "kernel",
      backEnd: "koffi",
      why: null,
    });
  });

  it("runs an unchanged program under halfopen/auto (Deno), or refuses at the start (Bun)", async () => {
    const auto = `--preload=${ROOT}dist/auto/index.js`;
    const program = "test/runtimes/unwatched.mjs";
    const [deno, bun] = await Promise.all([
      otherRuntime("deno", ["--allow-all", auto]),
      otherRuntime("bun"),
    ]);
    expect(await told(deno, program)).toEqual({ keepalive: true });
    expect(await told(await otherRuntime("deno"), program)).toEqual({ keepalive: false });
    await expect(told([...bun, auto], program)).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining("Bun's diagnostics channels do not tell of its sockets"),
    });
  });

  it("of a version that gives no descriptors is recognised", () => {
    expect(whyNoDescriptors({ node: "24.3.0", bun: "1.3.14" }, "linux")).toBe(
      "bun 1.3.14 does not give the descriptor of a connection; bun 1.4 does",
    );
    expect(whyNoDescriptors({ node: "26.3.0", deno: "2.7.14" }, "linux")).toMatch(/deno 2\.8 does/);
    for (const versions of [
      { bun: "1.4.0" },
      { bun: "2.0.0" },
      { deno: "2.8.0" },
      { deno: "3.0.1" },
      { node: "20.19.0" },
    ])
      expect(whyNoDescriptors(versions, "linux")).toBeNull();
    expect(whyNoDescriptors({ deno: "2.8.0" }, "darwin")).toMatch(/never run on darwin/);
    expect(whyNoDescriptors({ node: "20.19.0" }, "darwin")).toBeNull();
  });
});
