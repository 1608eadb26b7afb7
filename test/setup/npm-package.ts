import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
/** Kept between runs: some are 80 MB. */
const CACHE = join(tmpdir(), "halfopen-node-releases");

/**
 * A package of the npm registry, unpacked and kept; nothing of it is run. @throws without the
 * registry
 */
export async function npmPackage(name: string, version: string): Promise<string> {
  const home = join(CACHE, `${name.replace("/", "-")}-${version}`);
  if (existsSync(home)) return join(home, "package");
  mkdirSync(CACHE, { recursive: true });
  const folder = mkdtempSync(join(CACHE, "fetching-"));
  try {
    await run("npm", ["pack", `${name}@${version}`, "--pack-destination", folder]);
    const [tarball = ""] = readdirSync(folder);
    await run("tar", ["-xzf", join(folder, tarball), "-C", folder]);
    rmSync(join(folder, tarball));
    // Another run may have been faster; its copy is as good.
    if (!existsSync(home)) renameSync(folder, home);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return join(home, "package");
}
