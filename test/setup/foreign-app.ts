import { cpSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { npmPackage } from "./npm-package.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
/** The parts of the package that run on every platform, and what they depend on. */
const PARTS = ["dist", "package.json", "scripts/platform-conformance.mjs", "node_modules/yaml"];

/**
 * Copies the built halfopen, with the koffi of another platform, into a folder for a foreign Node.
 *
 * @throws without the registry
 */
export async function foreignApp(
  folder: string,
  platform: "win32-x64" | "linux-arm64",
): Promise<void> {
  for (const part of PARTS) cpSync(join(ROOT, part), join(folder, part), { recursive: true });
  const { optionalDependencies } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
    optionalDependencies: Record<string, string>;
  };
  const name = `@koromix/koffi-${platform}`;
  cpSync(
    await npmPackage(name, optionalDependencies[name] ?? ""),
    join(folder, "node_modules", name),
    { recursive: true },
  );
}
