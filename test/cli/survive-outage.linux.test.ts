import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const dist = (name: string): string =>
  fileURLToPath(new URL(`../../dist/${name}`, import.meta.url));

function run(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, args, { env: { ...process.env, ...env } }, (error, stdout, stderr) =>
      resolve({ code: typeof error?.code === "number" ? error.code : 0, stdout, stderr }),
    );
  });
}

const PAIR = ["--detect-within", "5s", "--survive-outage", "4s"];

it.each([
  [["watch", "127.0.0.1:1", ...PAIR]],
  [["guard", ...PAIR]],
  [["exec", ...PAIR, "--", "true"]],
  [["lab", ...PAIR]],
])("halfopen %j is refused with the bound and the nearest pair", async (args) => {
  const { code, stdout, stderr } = await run([dist("cli/main.js"), ...args]);
  expect(code).toBe(2);
  expect(stdout).toBe("");
  expect(stderr).toMatch(/an outage of 4000 ms cannot be told from death: \d+ ms is the longest/);
  expect(stderr).toMatch(/or detectWithinMs \d+ with surviveOutageMs 4000/);
});

it("halfopen plan says so in its answer", async () => {
  const { code, stdout } = await run([
    dist("cli/main.js"),
    ..."plan --detect-within 20s --survive-outage 14s --loss 0.1%".split(" "),
  ]);
  expect(code).toBe(1);
  expect(stdout).toContain("an outage of 14000 ms must be over before the last probe");
});

it("halfopen/auto refuses it at the program's start, and takes one that fits", async () => {
  const program = ["--import", dist("auto/index.js"), "-e", ""];
  const budget = { HALFOPEN_DETECT_WITHIN: "5s" };
  const refused = await run(program, { ...budget, HALFOPEN_SURVIVE_OUTAGE: "4s" });
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain("OutageBoundError: within 5000 ms an outage of 4000 ms");
  expect((await run(program, { ...budget, HALFOPEN_SURVIVE_OUTAGE: "2100ms" })).code).toBe(0);
});
