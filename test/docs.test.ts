import { execFile } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, describe, expect, it } from "vitest";

const run = promisify(execFile);
const ROOT = new URL("../", import.meta.url).pathname;
const DOCUMENTS = [
  "README.md",
  "README.zh-CN.md",
  "examples/README.md",
  ...readdirSync(join(ROOT, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

/** What a block may use without saying where it has it from: the text before it does. */
const CONTEXT: Readonly<Record<string, string>> = {
  watch: 'import { watch } from "halfopen";',
  connect: 'import { connect } from "node:net";',
  socket: 'declare const socket: import("node:net").Socket;',
  test: 'import { test } from "node:test";',
  game: "declare const game: { ping(): Promise<string> };",
};

/**
 * Packages that the documents import and that bring types of their own; those of the others come
 * from @types.
 */
const CLIENTS = ["amqplib", "ioredis", "mysql2"];

const folder = mkdtempSync(join(tmpdir(), "halfopen-docs-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The TypeScript blocks of a document, each with the line it begins at. */
function blocksOf(document: string): { line: number; code: string }[] {
  const text = readFileSync(join(ROOT, document), "utf8");
  return [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map((match) => ({
    line: text.slice(0, match.index).split("\n").length + 1,
    code: match[1] ?? "",
  }));
}

function withContext(code: string): string {
  const missing = Object.entries(CONTEXT).filter(
    ([name]) =>
      new RegExp(`\\b${name}\\b`).test(code) &&
      !new RegExp(`(?:import [^;]*|const |let )\\b${name}\\b`).test(code),
  );
  return [...missing.map(([, declaration]) => declaration), code, "export {};"].join("\n");
}

describe("the documents", () => {
  it("have code that compiles against what is built", { timeout: 60_000 }, async () => {
    const modules = join(folder, "node_modules");
    mkdirSync(modules);
    symlinkSync(ROOT, join(modules, "halfopen"));
    for (const name of ["@types", ...CLIENTS])
      symlinkSync(join(ROOT, "node_modules", name), join(modules, name));
    const names: string[] = [];
    for (const document of DOCUMENTS)
      for (const { line, code } of blocksOf(document)) {
        const name = `${document.replace(/\W/g, "-")}-line-${line}.ts`;
        writeFileSync(join(folder, name), withContext(code));
        names.push(name);
      }
    expect(names.length).toBeGreaterThan(5);
    writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }));
    writeFileSync(
      join(folder, "tsconfig.json"),
      JSON.stringify({
        compilerOptions: {
          strict: true,
          noEmit: true,
          target: "es2022",
          lib: ["es2023", "esnext.disposable"],
          module: "nodenext",
          skipLibCheck: true,
          types: ["node"],
        },
        files: names,
      }),
    );
    const complaints = await run(
      process.execPath,
      [join(ROOT, "node_modules/typescript/bin/tsc"), "-p", folder],
      { cwd: folder },
    ).then(
      () => "",
      (error: { stdout: string }) => error.stdout,
    );
    expect(complaints).toBe("");
  });

  it("show the clients' figures as the benchmark's last run has them", () => {
    const [whole = "", short = "", others = "", stopped = ""] = readFileSync(
      join(ROOT, "bench/clients/results/clients.md"),
      "utf8",
    )
      .trim()
      .split("\n\n");
    for (const table of [whole, stopped])
      expect(readFileSync(join(ROOT, "docs/heartbeat.md"), "utf8")).toContain(table);
    expect(readFileSync(join(ROOT, "README.md"), "utf8")).toContain(short);
    expect(others).toContain("mongodb");
    expect(stopped).toContain("in a transaction");
    expect(readFileSync(join(ROOT, "docs/works-with.md"), "utf8")).toContain(others);
    const rows = short.split("\n").slice(1).join("\n");
    expect(readFileSync(join(ROOT, "README.zh-CN.md"), "utf8")).toContain(
      rows.replaceAll("not in 60 s", "60 s 内没有"),
    );
  });

  it("all occur in the index, and the index in both READMEs", () => {
    const index = readFileSync(join(ROOT, "docs/README.md"), "utf8");
    const pages = DOCUMENTS.filter(
      (name) => name.startsWith("docs/") && name !== "docs/README.md",
    ).map((name) => name.slice("docs/".length));
    expect(pages.filter((name) => !index.includes(`](${name})`))).toEqual([]);
    for (const readme of ["README.md", "README.zh-CN.md"])
      expect(readFileSync(join(ROOT, readme), "utf8")).toContain("](docs/README.md)");
  });
});
