import { execFile } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { npmPackage } from "./setup/npm-package.ts";
import { Packed } from "./setup/packed.ts";

const run = promisify(execFile);
const ROOT = new URL("../", import.meta.url).pathname;
const ESBUILD_LINE = "0.28";
const WITHIN_MS = 120_000;

/** A user's program that ends with one line of JSON. */
const PROGRAM = `
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { capabilities, watch } from "halfopen";
const server = createServer((socket) => socket.resume()).listen(0, "127.0.0.1");
server.once("listening", async () => {
  const client = connect(server.address().port, "127.0.0.1");
  await once(client, "connect");
  const { level } = watch(client, { detectWithinMs: 12_000 }).applied;
  client.destroy();
  server.close();
  const { backEnd, tcpInfo } = capabilities();
  console.log(JSON.stringify({ level, backEnd, why: tcpInfo.why }));
});
`;

let packed: Packed;
let app: string;
let esbuild: string;

beforeAll(async () => {
  packed = await Packed.make();
  app = await packed.installedByNpm();
  esbuild = join(
    await npmPackage(`@esbuild/${process.platform}-${process.arch}`, ESBUILD_LINE),
    "bin/esbuild",
  );
}, WITHIN_MS);

afterAll(() => packed?.remove());

/** Bundles a source that lies in the app, where halfopen is installed. */
async function bundle(
  source: string,
  name: string,
  ...options: string[]
): Promise<{ path: string; inputs: string[]; text: string }> {
  const [path, meta] = [join(app, name), join(app, `${name}.json`)];
  writeFileSync(join(app, "source.mjs"), source);
  await run(
    esbuild,
    [
      "source.mjs",
      "--bundle",
      "--platform=node",
      `--outfile=${path}`,
      `--metafile=${meta}`,
      ...options,
    ],
    { cwd: app },
  );
  const { inputs, outputs } = JSON.parse(readFileSync(meta, "utf8")) as {
    inputs: object;
    outputs: Record<string, { inputs: Record<string, { bytesInOutput: number }> }>;
  };
  const kept = Object.keys(outputs[name]?.inputs ?? {}).filter(
    (input) => (outputs[name]?.inputs[input]?.bytesInOutput ?? 0) > 0,
  );
  expect(Object.keys(inputs).length).toBeGreaterThan(0);
  return {
    path,
    inputs: kept.filter((input) => input !== "source.mjs"),
    text: readFileSync(path, "utf8"),
  };
}

async function told(
  path: string,
  mask = "",
): Promise<{ level: string; backEnd: string | null; why: string | null }> {
  return JSON.parse(
    (await run(process.execPath, [path], { env: { ...process.env, HALFOPEN_MASK: mask } })).stdout,
  );
}

/** A folder that a bundle was deployed to: nothing else is there but what is named. */
function deployed(path: string, name: string, modules: readonly string[]): string {
  const folder = join(packed.folder, name);
  mkdirSync(folder);
  for (const module of modules)
    cpSync(join(ROOT, "node_modules", module), join(folder, "node_modules", module), {
      recursive: true,
    });
  const file = join(folder, path.endsWith("cjs") ? "program.cjs" : "program.mjs");
  cpSync(path, file);
  return file;
}

describe("a program bundled by esbuild", { timeout: WITHIN_MS }, () => {
  it.each([
    ["a module", "program.mjs", ["--format=esm"]],
    ["a module, minified", "small.mjs", ["--format=esm", "--minify"]],
    ["CommonJS", "program.cjs", ["--format=cjs"]],
  ])(
    "as %s finds the native back-end of the package installed beside it, else koffi, else says why not",
    async (_, name, options) => {
      const { path, text } = await bundle(PROGRAM, name, "--external:koffi", ...options);
      expect(text).not.toMatch(/from ?"halfopen/);
      expect(await told(path)).toEqual({ level: "kernel", backEnd: "koffi", why: null });

      const withKoffi = deployed(path, `with-koffi-${name}`, ["koffi", "@koromix"]);
      expect(await told(withKoffi)).toEqual({ level: "kernel", backEnd: "koffi", why: null });

      const alone = await told(deployed(path, `alone-${name}`, []), "node:ffi");
      expect(alone).toMatchObject({ level: "core", backEnd: null });
      expect(alone.why).toMatch(/koffi is not found/);
    },
  );

  it("that uses halfopen/core alone holds nothing but core", async () => {
    const { inputs, text } = await bundle(
      'import { TimerWheel } from "halfopen/core"; console.log(TimerWheel);',
      "core.mjs",
      "--format=esm",
    );
    expect(inputs).not.toEqual([]);
    expect(inputs.filter((input) => !input.startsWith("node_modules/halfopen/dist/core/"))).toEqual(
      [],
    );
    expect(text).not.toMatch(/koffi|createRequire/);
    // And of core no more than what it uses.
    const whole = await bundle(
      'import * as core from "halfopen/core"; console.log(core);',
      "whole-core.mjs",
      "--format=esm",
    );
    expect(text.length).toBeLessThan(whole.text.length / 5);
  });

  it("that imports halfopen and uses nothing of it holds nothing of it", async () => {
    expect(
      (
        await bundle(
          'import { watch } from "halfopen"; console.log(1);',
          "none.mjs",
          "--format=esm",
        )
      ).inputs,
    ).toEqual([]);
  });
});

describe("a program with halfopen installed", () => {
  /** Whether koffi, its JavaScript or its binary, is in this process. */
  const LOADED = `const loaded = () => [...process.report.getReport().sharedObjects, ...Object.keys(require.cache)].filter((path) => /koffi/.test(path)).length > 0;`;
  const common = async (source: string): Promise<string> =>
    (await run(process.execPath, ["-e", `${LOADED}\n${source}`], { cwd: app })).stdout.trim();

  it("loads koffi on first use, not with halfopen, and never with halfopen/core", async () => {
    expect(
      await common('require("halfopen/core"); require("halfopen/testing"); console.log(loaded())'),
    ).toBe("false");
    expect(
      await common(
        'const h = require("halfopen"); console.log(loaded()); h.capabilities(); console.log(loaded())',
      ),
    ).toBe("false\ntrue");
  });
});
