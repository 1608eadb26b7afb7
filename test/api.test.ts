import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { apiReport } from "../scripts/api-report.mjs";

const ROOT = new URL("../", import.meta.url).pathname;

it("the built package exports to its users what test/api-report.txt says: a change is deliberate, told in CHANGELOG.md, and recorded by `node scripts/api-report.mjs > test/api-report.txt`", () => {
  const report = apiReport(`${ROOT}dist`);
  expect(report.split("\n").length).toBeGreaterThan(1000);
  expect(`${report}\n`).toBe(readFileSync(`${ROOT}test/api-report.txt`, "utf8"));
});
