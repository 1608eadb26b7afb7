import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, expect, it } from "vitest";
import { describeWith } from "../setup/requires.ts";

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), "halfopen-html-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const MAIN = new URL("../../dist/cli/main.js", import.meta.url).pathname;

await describeWith(["namespaces"], "halfopen lab --html", () => {
  it("writes a page of its measurements", { timeout: 90_000 }, async () => {
    const file = join(folder, "lab.html");
    const options = ["--quick", "--faults", "peer-killed", "--mechanisms", "watch"];
    const { stdout } = await run(process.execPath, [MAIN, "lab", ...options, "--html", file]);
    expect(stdout).toContain("the peer process killed");
    const page = readFileSync(file, "utf8");
    expect(page).toContain('id="peer-killed"');
    expect(page).toMatch(/halfopen lab: (\d+) of \1 connections as promised/);
  });
});
