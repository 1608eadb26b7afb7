import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { PLATFORMS } from "../src/kernel/port/platform.ts";
import { systemSettings } from "../src/kernel/system/system-settings.ts";
import { platformTable } from "./setup/platform-table.ts";

const CONFORMANCE = fileURLToPath(new URL("../scripts/platform-conformance.mjs", import.meta.url));
/** What has option numbers and structs of its own on each system. */
const OF_THE_TABLE = ["keepalive", "userTimeout", "tcpInfo", "plan", "predict"];
/**
 * Proved for each by another test: arm64 and Bun, Deno in test/runtimes, Windows in test/wine, the
 * others here.
 */
const COLUMNS = [
  "Linux x64",
  "Linux arm64",
  "Linux x64, musl",
  "Bun, Deno",
  "Windows 10, 11",
  "macOS",
  "FreeBSD",
];
const SHARED = ["watch", "watchServer", "heartbeat"];

function conformance(mask: string): { status: number | null; results: Record<string, string> } {
  const { stdout, status } = spawnSync(process.execPath, [CONFORMANCE], {
    encoding: "utf8",
    env: { ...process.env, HALFOPEN_MASK: mask },
  });
  const report = JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as {
    results: Record<string, string>;
  };
  return { status, results: report.results };
}

function hasSystemSettings(platform: NodeJS.Platform): boolean {
  try {
    return systemSettings(platform, () => "") !== null;
  } catch {
    return false;
  }
}

describe("the platform table", () => {
  const table = platformTable("docs/platforms.md");

  it("is the same in the README", () => {
    expect(platformTable("README.md")).toEqual(table);
    expect(Object.keys(table).length).toBeGreaterThan(5);
    for (const row of Object.values(table)) expect(Object.keys(row)).toEqual(COLUMNS);
  });

  it("says of Linux what runs here", () => {
    const { status, results } = conformance("");
    expect(status).toBe(0);
    expect(Object.keys(results).sort()).toEqual(Object.keys(table).sort());
    for (const [name, result] of Object.entries(results))
      expect({ name, result, told: table[name]?.["Linux x64"] }).toEqual({
        name,
        result: "works",
        told: "run in CI",
      });
  });

  it("says of macOS and FreeBSD no more than the tables and codecs that are tested", () => {
    for (const [column, name] of [
      ["macOS", "darwin"],
      ["FreeBSD", "freebsd"],
    ] as const) {
      expect(PLATFORMS[name].tcpInfo).not.toBeNull();
      expect(PLATFORMS[name].userTimeout).not.toEqual([]);
      for (const [capability, row] of Object.entries(table)) {
        const isTested =
          OF_THE_TABLE.includes(capability) || (capability === "system" && hasSystemSettings(name));
        const expected = isTested
          ? "codec tests only"
          : SHARED.includes(capability)
            ? "not run"
            : "no";
        expect({ column, capability, told: row[column] }).toEqual({
          column,
          capability,
          told: expected,
        });
      }
    }
  });

  it("says of musl that nothing ran", () => {
    for (const row of Object.values(table)) expect(row["Linux x64, musl"]).toBe("not run");
  });

  it("holds without a native back-end too: what is missing says why, and the rest works", () => {
    const { status, results } = conformance("ffi");
    expect(status).toBe(0);
    expect(
      Object.entries(results)
        .filter(([, result]) => result === "works")
        .map(([name]) => name),
    ).toEqual([...SHARED, "plan", "predict", "system"]);
  });
});
