import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { nodeRelease } from "../setup/node-release.ts";
import { describeWith } from "../setup/requires.ts";

const run = promisify(execFile);
const ROOT = new URL("../../", import.meta.url).pathname;
const LINES = ["20.19.0", "this Node", "22", "24", "26"] as const;

/** Says whether a connection of the program is watched. */
const BODY = `
const { connect, createServer } = require("node:net");
const server = createServer((socket) => socket.on("error", () => {})).listen(0, "127.0.0.1", () => {
  const client = connect(server.address().port, "127.0.0.1", () => {
    const { enabled, idleMs } = require("halfopen").getKeepalive(client);
    console.log(enabled && idleMs < 10000 ? "watched" : "not watched");
    process.exit();
  });
});
`;

/** As esbuild-register, ts-node and swc do it: compiles what the program requires. */
const HOOK = `
const { readFileSync } = require("node:fs");
require.extensions[".ts"] = (module, filename) => {
  const compiled = readFileSync(filename, "utf8").replace("enum Say { Compiled }", 'console.log("compiled");');
  module._compile(compiled, filename);
};
`;

/** Hooks that programs are compiled by, and a statement that Node itself does not take. */
const HOOKS = [
  ["esbuild-register", "app.ts", "enum Say { Compiled }"],
  ["sucrase/register", "app.tsx", "enum Say { Compiled }"],
  ["coffeescript/register", "app.coffee", "greet = (name) -> name"],
] as const;
const CLIENTS = join(ROOT, "test/auto/clients/node_modules");

let app: string;
beforeAll(() => {
  app = mkdtempSync(join(tmpdir(), "halfopen-loaded-"));
  // Copied, because hooks compile what is not below node_modules.
  const installed = join(app, "node_modules/halfopen");
  for (const part of ["dist", "package.json"])
    cpSync(join(ROOT, part), join(installed, part), { recursive: true });
  symlinkSync(join(ROOT, "node_modules/@koromix"), join(app, "node_modules/@koromix"));
  const asModule =
    'import { createRequire } from "node:module";\nconst require = createRequire(import.meta.url);';
  writeFileSync(join(app, "package.json"), "{}");
  writeFileSync(join(app, "app.cjs"), BODY);
  writeFileSync(join(app, "app.mjs"), asModule + BODY);
  writeFileSync(join(app, "hook.cjs"), HOOK);
  // No Node compiles an enum by itself without an option.
  writeFileSync(join(app, "app.ts"), `enum Say { Compiled }\n${BODY}`);
});
afterAll(() => rmSync(app, { recursive: true, force: true }));

async function said(line: (typeof LINES)[number], args: string[], env = {}): Promise<string[]> {
  const node = line === "this Node" ? process.execPath : await nodeRelease(line);
  const { stdout } = await run(node, args, { cwd: app, env: { ...process.env, ...env } });
  return stdout.trim().split("\n");
}

await describeWith(
  ["node 20.19.0", "node 22", "node 24", "node 26"],
  "halfopen/auto, loaded on Node",
  () => {
    for (const flag of ["--import", "-r"])
      for (const program of ["app.mjs", "app.cjs"])
        it.concurrent.each(LINES)(`%s by ${flag}, watches ${program}`, async (line) => {
          expect(await said(line, [flag, "halfopen/auto", program])).toEqual(["watched"]);
        });

    it.concurrent.each(LINES)(
      "%s by -r, watches a program whose entry a require hook compiles",
      async (line) => {
        expect(await said(line, ["-r", "halfopen/auto", "-r", "./hook.cjs", "app.ts"])).toEqual([
          "compiled",
          "watched",
        ]);
      },
    );

    it.concurrent.each(LINES)("%s by -r in NODE_OPTIONS, watches such a program", async (line) => {
      const env = { NODE_OPTIONS: "-r halfopen/auto -r ./hook.cjs" };
      expect(await said(line, ["app.ts"], env)).toEqual(["compiled", "watched"]);
    });

    it.concurrent.each(LINES)(
      "%s by --import: Node loads the entry as a module, past the require hook",
      async (line) => {
        const args = ["--import", "halfopen/auto", "-r", "./hook.cjs", "app.ts"];
        await expect(said(line, args)).rejects.toThrow();
      },
    );
  },
);

await describeWith(["other clients"], "halfopen/auto by -r, with a require hook", () => {
  it.concurrent.each(HOOKS)("%s watches %s", async (hook, program, compiled) => {
    const body = program.endsWith(".coffee") ? `\`${BODY}\`` : BODY;
    const folder = mkdtempSync(join(app, "hook-"));
    writeFileSync(join(folder, program), `${compiled}\n${body}`);
    const args = ["-r", "halfopen/auto", "-r", join(CLIENTS, hook), join(folder, program)];
    expect(await said("this Node", args)).toEqual(["watched"]);
  });
});
