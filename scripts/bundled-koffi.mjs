// Packing bundles koffi. Its install script must not reach anybody's tree (npm 12 blocks such scripts, pnpm 11 fails on them), nor the
// packer's own platform binary: every platform's binary comes as an optional dependency. `strip` prepares the tree for packing,
// `restore` puts it back; the originals are moved aside, never edited, so that an interrupted packing is undone by the next one.
import { cpSync, existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const modules = new URL("../node_modules/", import.meta.url);
const inModules = (name) => fileURLToPath(new URL(name, modules));
/** What a program needs of koffi at run time: no native sources, no documentation, no build tool. */
const isKept = (path) =>
  !/\/(vendor|doc|lib)(\/|$)|cnoke\.cjs$/.test(path) && (statSync(path).isDirectory() || /\.(c?js|d\.ts|json|txt)$/.test(path));

function restore() {
  for (const name of ["koffi", "@koromix"]) {
    if (!existsSync(inModules(`.whole-${name}`))) continue;
    rmSync(inModules(name), { recursive: true, force: true });
    renameSync(inModules(`.whole-${name}`), inModules(name));
  }
}

function strip() {
  restore();
  renameSync(inModules("koffi"), inModules(".whole-koffi"));
  renameSync(inModules("@koromix"), inModules(".whole-@koromix"));
  cpSync(inModules(".whole-koffi"), inModules("koffi"), { recursive: true, filter: isKept });
  const description = JSON.parse(readFileSync(inModules("koffi/package.json"), "utf8"));
  for (const part of ["scripts", "cnoke", "optionalDependencies", "devDependencies"]) delete description[part];
  writeFileSync(inModules("koffi/package.json"), `${JSON.stringify(description, null, 2)}\n`);
}

const steps = { strip, restore };
const step = steps[process.argv[2]];
if (!step) throw new Error(`usage: node scripts/bundled-koffi.mjs ${Object.keys(steps).join("|")}`);
step();
