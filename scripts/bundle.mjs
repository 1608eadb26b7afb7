// Makes few files of many, which take the place of what tsc wrote for their entries. Node 20 loads
// the 150 small modules of halfopen/auto in 230 ms of processor time, a bundle of them in 95; the
// audit's 90 in 80, its bundle in 18, and `ss` is done with 20,000 sockets in 300.
// `--alone`, for the package: removes all other modules.
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

const root = fileURLToPath(new URL("..", import.meta.url));
const source = resolve(root, "src");
const dist = resolve(root, "dist");
const { exports } = JSON.parse(readFileSync(resolve(root, "package.json"), "utf8"));
/** The audit is one file: its start counts most. */
const AUDIT = "cli/audit";
/** Whose classes `instanceof` must recognise on both sides of the audit. */
const SHARED = ["core/errors", "cli/command"];
const PROGRAMS = ["agent", "heir", "peer", "relay", "subject", "wire-process"];
const ENTRIES = [
  ...Object.values(exports)
    .flatMap(({ default: file }) => file ?? [])
    .map((file) => file.replace(/^\.\/dist\/|\.js$/g, "")),
  ...SHARED,
  "cli/main",
  ...PROGRAMS.map((name) => `lab/${name}`),
];

for (const folder of ["parts", "core/parts"])
  rmSync(resolve(dist, folder), { recursive: true, force: true });
const written = await write(
  { input: Object.fromEntries(ENTRIES.map((name) => [name, sourceOf(name)])), outside: [AUDIT] },
  { dir: dist, chunkFileNames: ({ moduleIds }) => `${partsOf(moduleIds)}/[name]-[hash].js` },
);
await write(
  { input: sourceOf(AUDIT), outside: SHARED },
  { file: resolve(dist, `${AUDIT}.js`), codeSplitting: false },
);
if (process.argv.includes("--alone")) {
  const kept = new Set([...written, `${AUDIT}.js`]);
  for (const name of readdirSync(dist, { recursive: true })) {
    const isModule = name.endsWith(".js") && !name.startsWith(`vendor${sep}`);
    if (isModule && !kept.has(name.replaceAll(sep, "/"))) rmSync(resolve(dist, name));
  }
}

function sourceOf(name) {
  return resolve(source, `${name}.ts`);
}

/** Returns the names of the files. */
async function write({ input, outside }, to) {
  const left = new Map(outside.map((name) => [sourceOf(name), resolve(dist, `${name}.js`)]));
  const bundle = await rolldown({
    input,
    platform: "node",
    transform: { target: "node20" },
    makeAbsoluteExternalsRelative: true,
    plugins: [leftOutside(left)],
  });
  // Lines and names stay, for stack traces.
  const { output } = await bundle.write({ ...to, format: "esm", comments: false });
  await bundle.close();
  return output.map(({ fileName }) => fileName);
}

/** Who bundles only the core for a browser finds nothing else in it. */
function partsOf(moduleIds) {
  const isCore = moduleIds.every((id) => relative(source, id).startsWith(`core${sep}`));
  return isCore ? "core/parts" : "parts";
}

/** `left`: by source, the file that stays a file of its own. */
function leftOutside(left) {
  return {
    name: "left-outside",
    resolveId(specifier, importer) {
      if (!importer || !specifier.startsWith(".")) return null;
      const id = left.get(resolve(importer, "..", specifier));
      return id ? { id, external: true } : null;
    },
  };
}
