import { join } from "node:path";
import { npmPackage } from "./npm-package.ts";

/**
 * Runtimes that are not Node, as the npm registry has them: package, version line, and how a
 * program is started with all permissions.
 */
const RUNTIMES = {
  bun: { name: "@oven/bun-linux-x64", line: "1", argv: ["bin/bun"] },
  deno: { name: "@deno/linux-x64-glibc", line: "2", argv: ["deno", "run"] },
} as const;

export type OtherRuntime = keyof typeof RUNTIMES;

/**
 * The command to which a program's file is added. @throws without the registry, or off Linux x64
 */
export async function otherRuntime(
  runtime: OtherRuntime,
  permissions: readonly string[] = ["--allow-all"],
): Promise<readonly string[]> {
  if (process.platform !== "linux" || process.arch !== "x64")
    throw new Error("it is for Linux x64");
  const { name, line, argv } = RUNTIMES[runtime];
  const [program, ...words] = argv;
  // What Deno caches of the programs it runs is thrown away with the memory of its process.
  const unkept =
    runtime === "deno" ? ["--quiet", "--no-prompt", "--no-code-cache", ...permissions] : [];
  return [join(await npmPackage(name, line), program), ...words, ...unkept];
}
