import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";

const run = promisify(execFile);
const FOLDER = new URL("../auto/clients/", import.meta.url);

/**
 * Installs the clients of test/auto/clients once, and runs nothing of them.
 *
 * @throws without the registry
 */
export async function installOtherClients(): Promise<void> {
  if (existsSync(new URL("node_modules/.package-lock.json", FOLDER))) return;
  const args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
  await run("npm", args, { cwd: FOLDER });
}
