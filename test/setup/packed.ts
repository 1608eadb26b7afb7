import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const ROOT = new URL("../../", import.meta.url).pathname;
const PARTS = [
  "package.json",
  "tsconfig.json",
  "tsconfig.build.json",
  "src",
  "scripts",
  "node_modules",
  "contrib",
];
const TEXTS = ["LICENSE", "README.md", "CHANGELOG.md", "SECURITY.md"];

/** The tarball as npm would publish it, in a folder of its own. */
export class Packed {
  readonly folder: string = mkdtempSync(join(tmpdir(), "halfopen-package-"));

  /** Packs a copy, since packing builds anew while other tests use the present build. */
  static async make(): Promise<Packed> {
    const packed = new Packed();
    const copy = join(packed.folder, "copy");
    mkdirSync(copy);
    // Hard links are quick, and safe: packing replaces files instead of editing them.
    await run("cp", [
      "-al",
      ...[...PARTS, ...TEXTS].map((name) => join(ROOT, name)).filter(existsSync),
      copy,
    ]);
    await run("npm", ["pack", "--pack-destination", packed.folder], { cwd: copy });
    return packed;
  }

  get tarball(): string {
    return join(
      this.folder,
      readdirSync(this.folder).find((name) => name.endsWith(".tgz")) ?? "no tarball",
    );
  }

  /** Makes a user's program, without dependencies, to install into: below `src`, as in images. */
  app(name: string, files: Readonly<Record<string, string>> = {}): string {
    const path = join(this.folder, "src", name);
    mkdirSync(path, { recursive: true });
    const all = {
      "package.json": JSON.stringify({ name: "app", version: "1.0.0", private: true }),
      ...files,
    };
    for (const [file, text] of Object.entries(all)) writeFileSync(join(path, file), text);
    return path;
  }

  async installedByNpm(name = "app"): Promise<string> {
    const app = this.app(name);
    await run("npm", ["install", "--no-audit", "--no-fund", this.tarball], { cwd: app });
    return app;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
