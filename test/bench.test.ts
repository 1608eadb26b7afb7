import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { expect, it } from "vitest";

const ROOT = new URL("..", import.meta.url).pathname;

it("the benches fit what they measure: names and arguments are those of the built package", {
  timeout: 60_000,
}, () => {
  const typescript = dirname(createRequire(import.meta.url).resolve("typescript/package.json"));

  const { stdout, status } = spawnSync(
    process.execPath,
    [join(typescript, "bin/tsc"), "-p", "tsconfig.bench.json"],
    {
      cwd: ROOT,
      encoding: "utf8",
    },
  );

  expect({ stdout, status }).toEqual({ stdout: "", status: 0 });
});
