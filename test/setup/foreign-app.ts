import { cpSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { npmPackage } from "./npm-package.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
/** With what halfopen depends on wherever it runs. */
const PARTS = ["dist", "package.json", "scripts/platform-conformance.mjs", "node_modules/yaml"];

/**
 * Puts the built halfopen with another platform's koffi into a folder, where a foreign Node runs
 * it. @throws without the registry
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
