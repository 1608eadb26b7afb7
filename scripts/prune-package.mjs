// Leaves in dist, of the type declarations, what a program can reach from a public entry: most are
// of no use to anybody, and each takes a block of disk. Run when packing.
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = new URL("../", import.meta.url);
const { exports: entries } = JSON.parse(readFileSync(new URL("package.json", root), "utf8"));
const reached = new Set();

function reach(file) {
  if (reached.has(file.href)) return;
  reached.add(file.href);
  for (const [, target] of readFileSync(file, "utf8").matchAll(
    /\b(?:from|import)\s*\(?\s*"(\.[^"]+)"/g,
  ))
    reach(new URL(target.replace(/\.[jt]s$/, ".d.ts"), file));
}

for (const { types } of Object.values(entries)) if (types) reach(new URL(types, root));
const dist = new URL("dist/", root);
for (const name of readdirSync(dist, { recursive: true })) {
  const file = new URL(name, dist);
  if (name.endsWith(".d.ts") && !reached.has(file.href)) rmSync(fileURLToPath(file));
}
