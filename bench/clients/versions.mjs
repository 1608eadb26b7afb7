import { readFileSync } from "node:fs";

const ROOT = new URL("../../", import.meta.url);
const read = (file) => JSON.parse(readFileSync(file, "utf8"));

/**
 * The installed versions of those packages among `names` that a folder's package.json asks for.
 *
 * @param {ReadonlySet<string>} names
 * @param {readonly string[]} folders Below the repository's.
 */
export function versionsOf(names, folders = ["./"]) {
  return Object.fromEntries(
    folders.flatMap((folder) => {
      const at = new URL(folder, ROOT);
      const { dependencies, devDependencies } = read(new URL("package.json", at));
      return Object.keys({ ...dependencies, ...devDependencies })
        .filter((name) => names.has(name))
        .map((name) => [name, read(new URL(`node_modules/${name}/package.json`, at)).version]);
    }),
  );
}
