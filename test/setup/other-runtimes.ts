import { join } from "node:path";
import { npmPackage } from "./npm-package.ts";

/** Runtimes other than Node in the npm registry: package, version line, and the way to run a file. */
const RUNTIMES = {
  bun: { name: "@oven/bun-linux-x64", line: "1", argv: ["bin/bun"] },
  deno: { name: "@deno/linux-x64-glibc", line: "2", argv: ["deno", "run"] },
} as const;

export type OtherRuntime = keyof typeof RUNTIMES;

/**
 * Returns the command that runs a program, to which the program's file is added.
 *
 * @throws without the registry, or off Linux x64
 */
export async function otherRuntime(
  runtime: OtherRuntime,
  permissions: readonly string[] = ["--allow-all"],
): Promise<readonly string[]> {
  if (process.platform !== "linux" || process.arch !== "x64")
    throw new Error("other runtimes are fetched on Linux x64 only");
  const { name, line, argv } = RUNTIMES[runtime];
  const [program, ...words] = argv;
  // Deno's cache of the code that it runs must not outlive the process.
  const unkept =
    runtime === "deno" ? ["--quiet", "--no-prompt", "--no-code-cache", ...permissions] : [];
  return [join(await npmPackage(name, line), program), ...words, ...unkept];
}
