import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { CHECKING_CLIENTS, OTHER_CLIENTS } from "./auto/clients/other-clients.mjs";
import { CLIENTS } from "./heartbeat/client-process.mjs";

const ROOT = new URL("../", import.meta.url).pathname;
const read = (name: string): string => readFileSync(join(ROOT, name), "utf8");

interface Lock {
  readonly packages: Readonly<Record<string, { readonly version: string }>>;
}
/** The versions that the tests install. */
const LOCKS = ["package-lock.json", "test/auto/clients/package-lock.json"].map(
  (name) => JSON.parse(read(name)) as Lock,
);

const ROWS = read("docs/works-with.md")
  .split("\n")
  .filter((line) => line.startsWith("| ") && line.includes("lab.test.ts"))
  .map((line) => line.slice(2, -2).split(" | "))
  .map(([client = "", versions = "", , , , error = "", labs = "", tests = ""]) => ({
    client: client.replaceAll("`", ""),
    versions,
    error,
    labs: labs.split(", ").map((lab) => lab.replaceAll("`", "")),
    tests: [...tests.matchAll(/\]\(\.\.\/(.*?)\)/g)].map(([, path = ""]) => path),
  }));

describe("the page of clients", () => {
  it("has a row for every client of the lab, and no other", () => {
    const inLab = [CLIENTS, OTHER_CLIENTS, CHECKING_CLIENTS].flat().map(({ client }) => client);
    expect(ROWS.flatMap(({ labs }) => labs).sort()).toEqual(inLab.sort());
  });

  it.each(ROWS)("tells the version of $client that is tested", ({ client, versions }) => {
    const installed = LOCKS.map(({ packages }) => packages[`node_modules/${client}`]?.version);
    if (/^\d/.test(versions)) expect(installed).toContain(versions.match(/^[\d.]+\d/)?.[0]);
    else expect(versions).toMatch(/Node|frameHeartbeat/);
  });

  it.each(ROWS)("names tests of $client that exist", ({ tests }) => {
    expect(tests.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
    expect(tests.length).toBeGreaterThan(0);
  });

  it.each(OTHER_CLIENTS)("tells the error that $client gives its program", ({ client, error }) => {
    const row = ROWS.find(({ labs }) => labs.includes(client));
    if (error !== undefined && error !== "Error") expect(row?.error).toContain(error);
  });
});
