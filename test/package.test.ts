import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const run = promisify(execFile);
const ROOT = new URL("../", import.meta.url).pathname;
const PACKED_WITHIN_MS = 120_000;

let folder: string;
let tarball: string;
let app: string;

/** Packs a copy, so that the tests beside this one keep their koffi, and installs the tarball into an empty folder. */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "halfopen-package-"));
  const copy = join(folder, "copy");
  const own = [
    "package.json",
    "tsconfig.json",
    "tsconfig.build.json",
    "src",
    "scripts",
    "node_modules",
    "LICENSE",
    "README.md",
    "CHANGELOG.md",
    "SECURITY.md",
  ];
  await run("mkdir", [copy]);
  // Hard links: quick, and packing replaces files instead of editing them.
  await run("cp", ["-al", ...own.map((name) => join(ROOT, name)).filter(existsSync), copy]);
  await run("npm", ["pack", "--pack-destination", folder], { cwd: copy });
  tarball = join(folder, readdirSync(folder).find((name) => name.endsWith(".tgz")) ?? "no tarball");
  app = join(folder, "app");
  await run("mkdir", [app]);
  writeFileSync(join(app, "package.json"), JSON.stringify({ name: "app", private: true }));
  await run("npm", ["install", "--no-audit", "--no-fund", tarball], { cwd: app });
}, PACKED_WITHIN_MS);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function filesUnder(path: string): string[] {
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

async function node(...args: string[]): Promise<string> {
  return (await run(process.execPath, args, { cwd: app })).stdout.trim();
}

describe("the packed package, installed into an empty folder", () => {
  it("brings no install script, of its own or of anything below it", () => {
    const scripts = filesUnder(join(app, "node_modules"))
      .filter((path) => basename(path) === "package.json")
      .flatMap((path) => Object.keys((JSON.parse(readFileSync(path, "utf8")) as { scripts?: object }).scripts ?? {}));
    expect(scripts.filter((name) => /^(pre|post)?install$/.test(name))).toEqual([]);
  });

  it("holds this platform's binary and no other's", () => {
    const binaries = filesUnder(join(app, "node_modules")).filter((path) => path.endsWith(".node"));
    expect(binaries.length).toBeGreaterThan(0);
    // One package a platform; Linux's holds both C libraries.
    expect(binaries.filter((path) => !path.includes(`@koromix/koffi-${process.platform}-${process.arch}/`))).toEqual([]);
  });

  it("takes less than 6 MB of disk", async () => {
    const [kilobytes = "NaN"] = (await run("du", ["-sk", join(app, "node_modules")])).stdout.split("\t");
    expect(Number(kilobytes)).toBeLessThan(6 * 1024);
  });

  it("can be imported and required, and finds its native back-end", async () => {
    expect(await node("--input-type=module", "-e", 'import { capabilities } from "halfopen"; console.log(capabilities().backEnd)')).toMatch(
      /koffi|node:ffi/,
    );
    expect(await node("-p", 'typeof require("halfopen").watch')).toBe("function");
  });

  it("loads no native code with halfopen/core", async () => {
    const script = `import "halfopen/core";
      console.log(process.report.getReport().sharedObjects.filter((name) => name.endsWith(".node")).length);`;
    expect(await node("--input-type=module", "-e", script)).toBe("0");
  });

  it("brings the command line", async () => {
    const { stdout } = await run("npx", ["halfopen", "--version"], { cwd: app });
    expect(stdout.trim()).toBe((JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string }).version);
  });

  it("satisfies publint and are-the-types-wrong", { timeout: 60_000 }, async () => {
    const bin = join(ROOT, "node_modules/.bin");
    await run(join(bin, "publint"), ["run", "--strict", tarball]);
    await run(join(bin, "attw"), [tarball, "--profile", "esm-only"]);
  });
});
