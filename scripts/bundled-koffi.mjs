// Packing bundles koffi. Its install script must not reach anybody's tree (npm 12 blocks such scripts, pnpm 11 fails on them), nor the
// packer's own platform binary: every platform's binary comes as an optional dependency of halfopen itself. `strip` puts a lean koffi in
// the place of the whole one, which it moves aside and never edits; `restore` puts the whole one back. The lean one works like the
// whole, so a packing that is interrupted in between breaks nothing, and the next one, or `npm ci`, restores it.
import { cpSync, existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const modules = new URL("../node_modules/", import.meta.url);
const [koffi, whole, lean] = ["koffi", ".whole-koffi", ".lean-koffi"].map((name) => fileURLToPath(new URL(name, modules)));
/** What a program needs of koffi at run time: no native sources, no documentation, no build tool. */
const isKept = (path) =>
  !/\/(vendor|doc|lib)(\/|$)|cnoke\.cjs$/.test(path.slice(koffi.length)) &&
  (statSync(path).isDirectory() || /\.(c?js|d\.ts|json)$|LICENSE\.txt$/.test(path));

function restore() {
  if (!existsSync(whole)) return;
  rmSync(koffi, { recursive: true, force: true });
  renameSync(whole, koffi);
}

function strip() {
  restore();
  rmSync(lean, { recursive: true, force: true });
  cpSync(koffi, lean, { recursive: true, filter: isKept });
  const description = JSON.parse(readFileSync(`${koffi}/package.json`, "utf8"));
  // Without its optional dependencies npm does not bundle the packer's binary along with it.
  for (const part of ["scripts", "cnoke", "optionalDependencies", "devDependencies"]) delete description[part];
  writeFileSync(`${lean}/package.json`, `${JSON.stringify(description, null, 2)}\n`);
  renameSync(koffi, whole);
  renameSync(lean, koffi);
}

const steps = { strip, restore };
const step = steps[process.argv[2]];
if (!step) throw new Error(`usage: node scripts/bundled-koffi.mjs ${Object.keys(steps).join("|")}`);
step();
