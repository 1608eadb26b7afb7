import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, describe, expect, it } from "vitest";
import { checkWritable } from "../../src/cli/lab-html.ts";

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), "halfopen-html-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const MAIN = new URL("../../dist/cli/main.js", import.meta.url).pathname;

describe("halfopen lab --html", () => {
  it("refuses a file that cannot be written before the lab runs", async () => {
    await expect(checkWritable(join(folder, "none", "lab.html"))).rejects.toThrow("cannot write");
    await expect(checkWritable(folder)).rejects.toThrow("is a folder");
    await expect(checkWritable("")).rejects.toThrow("takes the name");
    await expect(checkWritable(join(folder, "lab.html"))).resolves.toBeUndefined();
    const started = performance.now();
    await expect(
      run(process.execPath, [MAIN, "lab", "--html", join(folder, "none", "lab.html")]),
    ).rejects.toMatchObject({ code: 2 });
    expect(performance.now() - started).toBeLessThan(5000);
  });
});
