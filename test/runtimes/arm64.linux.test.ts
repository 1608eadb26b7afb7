import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { foreignApp } from "../setup/foreign-app.ts";
import { nodeRelease } from "../setup/node-release.ts";
import { platformTable } from "../setup/platform-table.ts";
import { describeWith } from "../setup/requires.ts";

/** Debian's libraries for arm64. */
const LIBRARIES = "/usr/aarch64-linux-gnu";

await describeWith(
  ["qemu-aarch64", LIBRARIES, "node for arm64"],
  "Linux arm64 (Node for arm64 under qemu-user)",
  () => {
    it("does what the platform table promises", { timeout: 90_000 }, async () => {
      const folder = mkdtempSync(join(tmpdir(), "halfopen-arm64-"));
      try {
        await foreignApp(folder, "linux-arm64");
        const program = [
          await nodeRelease(22, "arm64"),
          join(folder, "scripts/platform-conformance.mjs"),
        ];
        // Rejects when a capability is broken.
        const { stdout } = await promisify(execFile)("qemu-aarch64", ["-L", LIBRARIES, ...program]);
        const report = JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as {
          results: Record<string, string>;
        };
        const { results } = report;
        expect(report).toMatchObject({ arch: "arm64", backEnd: "koffi" });
        for (const [name, row] of Object.entries(platformTable("docs/platforms.md")))
          expect(row["Linux arm64"], name).toBe(
            results[name] === "works" ? "run in CI (qemu)" : "not run",
          );
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    });
  },
);
