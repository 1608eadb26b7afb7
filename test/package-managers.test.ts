import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { nodeRelease } from "./setup/node-release.ts";
import { npmPackage } from "./setup/npm-package.ts";
import { otherRuntime } from "./setup/other-runtimes.ts";
import { Packed } from "./setup/packed.ts";
import { describeWith } from "./setup/requires.ts";

const run = promisify(execFile);
/** Of this, koffi takes 2.3 MB and yaml 1.4 MB; pnpm adds 0.1 MB of its own. */
const MOST_KILOBYTES = 6 * 1024;
const ENDS_WITHIN_MS = 120_000;

interface Manager {
  readonly files?: Readonly<Record<string, string>>;
  argv(tarball: string, cache: string): Promise<string[]>;
}

/**
 * How a user of each package manager installs a tarball. Caches of their own, so that nothing is
 * taken from an earlier run.
 */
const MANAGERS: Record<string, Manager> = {
  npm: {
    argv: async (tarball, cache) => [
      "npm",
      "install",
      "--no-audit",
      "--no-fund",
      "--foreground-scripts",
      "--cache",
      cache,
      tarball,
    ],
  },
  "pnpm 11": {
    argv: async (tarball, cache) => [
      // It needs Node 22.13.
      await nodeRelease(24),
      join(await npmPackage("pnpm", "11"), "bin/pnpm.mjs"),
      ...["add", tarball, "--store-dir", cache],
    ],
  },
  "pnpm 12": {
    argv: async (tarball, cache) => [
      join(await npmPackage("@pnpm/exe.linux-x64", "12"), "pnpm"),
      "add",
      tarball,
      "--store-dir",
      cache,
    ],
  },
  "yarn classic": {
    argv: async (tarball, cache) => [
      process.execPath,
      join(await npmPackage("yarn", "1.22.22"), "bin/yarn.js"),
      ...["add", `file:${tarball}`, "--cache-folder", cache],
    ],
  },
  "yarn 4": {
    files: { "yarn.lock": "", ".yarnrc.yml": "nodeLinker: node-modules\nenableTelemetry: false\n" },
    argv: async (tarball, cache) => [
      ...["env", `YARN_CACHE_FOLDER=${cache}`, "YARN_ENABLE_GLOBAL_CACHE=0", process.execPath],
      join(await npmPackage("@yarnpkg/cli-dist", "4"), "bin/yarn.js"),
      ...["add", `halfopen@file:${tarball}`],
    ],
  },
  bun: {
    argv: async (tarball, cache) => [
      "env",
      `BUN_INSTALL_CACHE_DIR=${cache}`,
      ...(await otherRuntime("bun")),
      "add",
      tarball,
    ],
  },
};

/**
 * Warnings are about halfopen or what it brings; npm's about its own configuration are the
 * machine's.
 */
const OF_OURS = /halfopen|koffi|koromix|yaml|script|deprecat/i;
const isWarning = (line: string): boolean =>
  /warn|YN0004|ERR_|fail/i.test(line) && OF_OURS.test(line);

const PROBE =
  'import { capabilities, watch } from "halfopen"; console.log(typeof watch, capabilities().backEnd);';

await describeWith(["node 24", "bun"], "a package manager", () => {
  let packed: Packed;

  beforeAll(async () => {
    packed = await Packed.make();
  }, ENDS_WITHIN_MS);

  afterAll(() => packed?.remove());

  it.each(Object.keys(MANAGERS))("installs it: %s", { timeout: ENDS_WITHIN_MS }, async (name) => {
    const { files = {}, argv } = MANAGERS[name] as (typeof MANAGERS)[string];
    const home = name.replace(" ", "-");
    const app = packed.app(home, files);
    const [program = "", ...args] = await argv(
      packed.tarball,
      join(packed.folder, `cache-${home}`),
    );
    // Rejects for another exit code than 0
    const { stdout, stderr } = await run(program, args, { cwd: app });
    const lines = `${stdout}\n${stderr}`.split("\n");
    expect(lines.filter(isWarning)).toEqual([]);

    const modules = join(app, "node_modules");
    const installed = readdirSync(modules, { recursive: true, encoding: "utf8" });
    expect(installed.filter((path) => path.endsWith("halfopen/dist/index.js"))).not.toEqual([]);
    const scripts = installed
      .filter((path) => path.endsWith("/package.json"))
      .filter((path) => /"(pre|post)?install":/.test(readFileSync(join(modules, path), "utf8")));
    expect(scripts).toEqual([]);
    expect(
      installed.filter(
        (path) =>
          path.endsWith(".node") && !path.includes(`koffi-${process.platform}-${process.arch}`),
      ),
    ).toEqual([]);
    const [kilobytes = "NaN"] = (await run("du", ["-sk", modules])).stdout.split("\t");
    expect(Number(kilobytes)).toBeLessThan(MOST_KILOBYTES);
    const probe = await run(process.execPath, ["--input-type=module", "-e", PROBE], { cwd: app });
    expect(probe.stdout.trim()).toBe("function koffi");
  });

  it("installs it: yarn 4 without node_modules (Plug'n'Play, its default)", {
    timeout: ENDS_WITHIN_MS,
  }, async () => {
    const app = packed.app("plug-n-play", {
      "yarn.lock": "",
      ".yarnrc.yml": "enableTelemetry: false\n",
      "probe.mjs": PROBE,
    });
    const yarn = async (...args: string[]): Promise<string> => {
      const env = {
        ...process.env,
        YARN_CACHE_FOLDER: join(packed.folder, "cache-plug-n-play"),
        YARN_ENABLE_GLOBAL_CACHE: "0",
      };
      return (
        await run(
          process.execPath,
          [join(await npmPackage("@yarnpkg/cli-dist", "4"), "bin/yarn.js"), ...args],
          { cwd: app, env },
        )
      ).stdout;
    };
    expect(
      (await yarn("add", `halfopen@file:${packed.tarball}`)).split("\n").filter(isWarning),
    ).toEqual([]);
    expect((await yarn("node", "probe.mjs")).trim()).toBe("function koffi");
  });
});
