// Puts koffi's JavaScript part into dist, where the package imports it as `#koffi`. As a
// dependency, bundled or not, koffi would come with its install script: npm 12 blocks such scripts,
// pnpm 11 fails on them, and yarn fetches a bundled package a second time and runs it. Its native
// part is an optional dependency of halfopen itself: packages of one platform each, without
// scripts.
import { cpSync, mkdirSync } from "node:fs";

const from = new URL("../node_modules/koffi/", import.meta.url);
const to = new URL("../dist/vendor/koffi/", import.meta.url);
mkdirSync(new URL("src/", to), { recursive: true });
for (const [source, target] of [
  ["src/koffi/index.cjs", "index.cjs"],
  ["src/koffi/src/static.cjs", "src/static.cjs"],
  ["LICENSE.txt", "LICENSE.txt"],
])
  cpSync(new URL(source, from), new URL(target, to));
