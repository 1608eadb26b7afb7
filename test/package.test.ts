import { execFile } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LabReport } from "../src/lab/report.ts";
import { nodeRelease } from "./setup/node-release.ts";
import { Packed } from "./setup/packed.ts";
import { describeWith } from "./setup/requires.ts";

const run = promisify(execFile);
const ROOT = new URL("../", import.meta.url).pathname;
const PACKED_WITHIN_MS = 120_000;

let packed: Packed;
let app: string;

beforeAll(async () => {
  packed = await Packed.make();
  app = await packed.installedByNpm();
}, PACKED_WITHIN_MS);

afterAll(() => packed?.remove());

function filesUnder(path: string): string[] {
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

async function node(...args: string[]): Promise<string> {
  return (await run(process.execPath, args, { cwd: app })).stdout.trim();
}

/** A user's program: both ways to load the package, a connection that lives, and its end. */
const PROGRAM = `
import { once } from "node:events";
import { createRequire } from "node:module";
import { connect, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { capabilities, watch } from "halfopen";
const isOneModule = createRequire(import.meta.url)("halfopen").watch === watch;
const server = createServer().listen(0, "127.0.0.1");
await once(server, "listening");
const accepting = once(server, "connection");
const client = connect(server.address().port, "127.0.0.1").on("error", () => {}).resume();
const [accepted] = await accepting;
const w = watch(client, { detectWithinMs: 2500 });
await sleep(3000);
const { state, silentForMs, applied } = w;
accepted.on("error", () => {}).resetAndDestroy();
const [{ cause }] = await once(w, "dead");
server.close();
console.log(JSON.stringify({ node: process.versions.node, backEnd: capabilities().backEnd, isOneModule, state, silentForMs, level: applied.level, cause }));
`;

/** A user's TypeScript, as a module and as CommonJS, with every public entry. */
const TYPED = [
  `import { watch, watchServer, type Diagnosis } from "halfopen";`,
  `import { classify, TimerWheel } from "halfopen/core";`,
  `import { VirtualClock } from "halfopen/testing";`,
  `export const cause = (d: Diagnosis): string => d.cause;`,
  `export const all: unknown[] = [watch, watchServer, classify, TimerWheel, VirtualClock];`,
  `// @ts-expect-error: an unknown option is a mistake that the compiler finds`,
  `watch({}, { detectWithin: 5000 });`,
].join("\n");

describe("packing", () => {
  it("carries koffi's JavaScript part with its licence, as no dependency and without a binary", async () => {
    const names = (await run("tar", ["-tzf", packed.tarball])).stdout.trim().split("\n");
    const carried = ["index.cjs", "src/static.cjs", "LICENSE.txt"].map(
      (name) => `package/dist/vendor/koffi/${name}`,
    );
    expect(carried.filter((name) => !names.includes(name))).toEqual([]);
    expect(names.filter((name) => /\.node$|@koromix|node_modules/.test(name))).toEqual([]);
    const description = JSON.parse(
      (await run("tar", ["-xzOf", packed.tarball, "package/package.json"])).stdout,
    );
    expect(Object.keys(description.dependencies)).toEqual(["yaml"]);
    // What is carried fits the binaries that the optional dependencies bring.
    const binaries = Object.entries<string>(description.optionalDependencies);
    expect(
      binaries.every(
        ([name, version]) =>
          name.startsWith("@koromix/koffi-") && version === description.devDependencies.koffi,
      ),
    ).toBe(true);
  });
});

describe("the packed package, installed into an empty folder", () => {
  it("brings no install script, of its own or of anything below it", () => {
    const scripts = filesUnder(join(app, "node_modules"))
      .filter((path) => basename(path) === "package.json")
      .flatMap((path) =>
        Object.keys((JSON.parse(readFileSync(path, "utf8")) as { scripts?: object }).scripts ?? {}),
      );
    expect(scripts.filter((name) => /^(pre|post)?install$/.test(name))).toEqual([]);
  });

  it("holds this platform's binary and no other's", () => {
    const binaries = filesUnder(join(app, "node_modules")).filter((path) => path.endsWith(".node"));
    expect(binaries.length).toBeGreaterThan(0);
    // One package a platform; Linux's is for both C libraries.
    expect(new Set(binaries.map((path) => path.split("/").at(-2)))).toEqual(
      new Set([`linux_${process.arch}`, `musl_${process.arch}`]),
    );
    expect(
      binaries.filter(
        (path) => !path.includes(`@koromix/koffi-${process.platform}-${process.arch}/`),
      ),
    ).toEqual([]);
  });

  it("takes less than 5.75 MB of disk", async () => {
    const [kilobytes = "NaN"] = (await run("du", ["-sk", join(app, "node_modules")])).stdout.split(
      "\t",
    );
    expect(Number(kilobytes)).toBeLessThan(5.75 * 1024);
  });

  it("can be imported and required, and finds its native back-end", async () => {
    expect(
      await node(
        "--input-type=module",
        "-e",
        'import { capabilities } from "halfopen"; console.log(capabilities().backEnd)',
      ),
    ).toMatch(/koffi|node:ffi/);
    expect(await node("-p", 'typeof require("halfopen").watch')).toBe("function");
  });

  it("compiles in strict TypeScript, as a module and as CommonJS, with every declaration checked", {
    timeout: 60_000,
  }, async () => {
    for (const name of ["module.mts", "common.cts"]) writeFileSync(join(app, name), TYPED);
    const options = [
      "--noEmit",
      "--strict",
      "--exactOptionalPropertyTypes",
      "--skipLibCheck",
      "false",
      "--module",
      "nodenext",
    ];
    const types = [
      "--types",
      "node",
      "--typeRoots",
      join(ROOT, "node_modules/@types"),
      "--target",
      "es2023",
      "--lib",
      "es2023,esnext.disposable",
    ];
    await expect(
      run(join(ROOT, "node_modules/.bin/tsc"), [...options, ...types, "module.mts", "common.cts"], {
        cwd: app,
      }),
    ).resolves.toMatchObject({ stdout: "" });
  });

  it("brings the command line", async () => {
    const { stdout } = await run("npx", ["halfopen", "--version"], { cwd: app });
    expect(stdout.trim()).toBe(
      (JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string }).version,
    );
  });

  it("satisfies publint and are-the-types-wrong", { timeout: 60_000 }, async () => {
    const bin = join(ROOT, "node_modules/.bin");
    await run(join(bin, "publint"), ["run", "--strict", packed.tarball]);
    await run(join(bin, "attw"), [packed.tarball, "--profile", "esm-only"]);
  });
});

await describeWith(["namespaces"], "the packed lab", () => {
  it("pulls a cable, and finds it", { timeout: 60_000 }, async () => {
    const choice = ["--faults", "cable-pulled", "--mechanisms", "watch"];
    const args = ["halfopen", "lab", "--quick", "--detect-within", "2500ms", ...choice, "--json"];
    const { cells } = JSON.parse((await run("npx", args, { cwd: app })).stdout) as LabReport;
    expect(cells.length).toBeGreaterThan(1);
    expect(cells.filter(({ ok }) => !ok)).toEqual([]);
  });
});

await describeWith(
  ["node 20.19.0", "node 22", "node 24", "node 26"],
  "the packed package on other Node lines",
  () => {
    async function told(
      release: number | string,
      env: Record<string, string> = {},
    ): Promise<{ node: string; silentForMs: number }> {
      const options = { cwd: app, env: { ...process.env, ...env } };
      return JSON.parse(
        (await run(await nodeRelease(release), ["--input-type=module", "-e", PROGRAM], options))
          .stdout,
      );
    }
    const fine = { isOneModule: true, state: "alive", level: "kernel", cause: "peer-reset" };

    it.concurrent.each(["20.19.0", 22, 24, 26])(
      "is imported, required, watches a live connection and tells its end on Node %s",
      async (release) => {
        const seen = await told(release);
        expect(seen).toMatchObject({ ...fine, backEnd: "koffi" });
        expect(seen.node).toMatch(new RegExp(`^${release}\\b`));
        // Asked for by the standing keepalive, within the budget.
        expect(seen.silentForMs).toBeLessThan(2500);
      },
    );

    it.concurrent("does so with Node's own node:ffi where koffi cannot be loaded (Node 26)", async () => {
      expect(await told(26, { HALFOPEN_MASK: "koffi" })).toMatchObject({
        ...fine,
        backEnd: "node:ffi",
      });
    });
  },
);
