import { createRequire } from "node:module";

/**
 * The places from which koffi is loaded. Each one is tried only when nothing is found at those
 * before it.
 */
const PLACES: readonly ((here: NodeJS.Require) => readonly [NodeJS.Require, string])[] = [
  // The copy that the package carries (scripts/vendor-koffi.mjs).
  (here) => [here, here.resolve("#koffi")],
  // The same copy, for a program that bundles halfopen and still has the package beside it.
  (here) => {
    const installed = createRequire(here.resolve("halfopen/package.json"));
    return [installed, installed.resolve("#koffi")];
  },
  // The program's own koffi.
  (here) => [here, here.resolve("koffi")],
];

/**
 * Loads koffi, a CommonJS module with a native part. Called on first use only.
 *
 * @throws when koffi cannot be loaded
 */
export function loadKoffi(): unknown {
  // A bundle in CommonJS format has no import.meta.url. It is the program that was started, or lies
  // near it.
  const here = createRequire(import.meta.url ?? process.argv[1] ?? process.execPath);
  try {
    const [require, path] = found(here);
    return require(path);
  } catch (error) {
    const missing = missingPermission();
    throw missing === null
      ? error
      : new Error(`the permission model forbids native addons; start ${missing}`, { cause: error });
  }
}

function found(here: NodeJS.Require): readonly [NodeJS.Require, string] {
  for (const place of PLACES) {
    try {
      return place(here);
    } catch {
      // Not there: the next place.
    }
  }
  throw new Error(
    "koffi is not found: neither the package halfopen nor koffi is installed where this program can load it",
  );
}

interface PermissionModels {
  readonly process: { readonly permission?: { has(scope: string): boolean } };
  readonly Deno?: {
    readonly permissions: { querySync(wanted: { name: string }): { readonly state: string } };
  };
}

/**
 * Returns what the runtime must be started with; `null` where no permission is missing. Called only
 * after a failure: not every Node that has the permission model knows this scope.
 */
function missingPermission(): string | null {
  const { process, Deno } = globalThis as unknown as PermissionModels;
  if (process.permission?.has("addon") === false) return "Node with --allow-addons";
  if (Deno && Deno.permissions.querySync({ name: "ffi" }).state !== "granted")
    return "Deno with --allow-ffi and --allow-read";
  return null;
}
