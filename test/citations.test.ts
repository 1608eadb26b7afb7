import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { describe, expect, it } from "vitest";

const ROOT = new URL("../", import.meta.url).pathname;
const FILES = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
  cwd: ROOT,
  encoding: "utf8",
})
  .split("\n")
  .filter((name) => name !== "" && existsSync(join(ROOT, name)));
const CODE = FILES.filter((name) =>
  /^(?:src|test|bench|scripts|examples|contrib)\/.*\.(?:ts|mjs|js|cjs|sh)$/.test(name),
);
const PAGES = FILES.filter((name) => name.endsWith(".md"));
/** Files that were there once are named in what is told of the past. */
const PAGES_OF_TODAY = PAGES.filter((name) => name !== "CHANGELOG.md");

const read = (name: string): string => readFileSync(join(ROOT, name), "utf8");

/** The names that GitHub gives the headings of a page. */
function anchorsOf(name: string): string[] {
  const prose = read(name).replace(/^```[\s\S]*?^```/gm, "");
  return [...prose.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}_ -]/gu, "")
      .replaceAll(" ", "-"),
  );
}

function hasHeading(page: string, anchor: string): boolean {
  return anchor === "" || anchorsOf(page).includes(decodeURIComponent(anchor));
}

/**
 * Comments and messages cite a page by its path from the root of the repository, or by the name of
 * one beside the file.
 */
function isCited(from: string, page: string, anchor: string): boolean {
  return [page, join(dirname(from), page)].some(
    (name) => FILES.includes(name) && hasHeading(name, anchor),
  );
}

/** Pages cited in a text: not those whose names are put together. */
function citationsIn(text: string): { page: string; anchor: string }[] {
  const citations = text.matchAll(/(?<![\w/.}-])((?:[\w.-]+\/)*[\w-]+\.md)\b(?:#([\w-]+))?/gi);
  return [...citations].map(([, page = "", anchor = ""]) => ({ page, anchor }));
}

describe("what is cited exists, and so does its heading:", () => {
  it("this test sees citations of each kind", () => {
    const text =
      "docs/audit.md, kernel.md, docs/faq.md#no-such-heading; `Evidence.md, rule 6`, {folder}/made-up.md";
    const broken = citationsIn(text).filter(
      ({ page, anchor }) => !isCited("src/index.ts", page, anchor),
    );
    expect(broken.map(({ page, anchor }) => `${page}#${anchor}`)).toEqual([
      "kernel.md#",
      "docs/faq.md#no-such-heading",
      "Evidence.md#",
    ]);
    expect(CODE.flatMap((name) => citationsIn(read(name))).length).toBeGreaterThan(50);
  });

  it("the pages that comments and messages cite", () => {
    const others = CODE.filter((name) => basename(name) !== "citations.test.ts");
    const broken = others.flatMap((name) =>
      citationsIn(read(name)).flatMap(({ page, anchor }) =>
        isCited(name, page, anchor) ? [] : [`${name}: ${page}#${anchor}`],
      ),
    );
    expect(broken).toEqual([]);
  });

  it("the links of all pages", () => {
    const broken = PAGES.flatMap((name) =>
      [...read(name).matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, target = ""]) => {
        if (/^(?:https?:|mailto:)/.test(target)) return [];
        const { pathname, hash } = new URL(target, `file://${join(ROOT, name)}`);
        const isThere =
          existsSync(pathname) &&
          (hash === "" || hasHeading(pathname.slice(ROOT.length), hash.slice(1)));
        return isThere ? [] : [`${name}: ${target}`];
      }),
    );
    expect(broken).toEqual([]);
  });

  it("the source files that pages name", () => {
    const names = new Set(FILES.map((name) => basename(name)));
    const broken = PAGES_OF_TODAY.flatMap((page) => {
      const paths = [...read(page).matchAll(/`((?:src|test|bench|scripts)\/[\w./-]+\.\w+)`/g)].map(
        ([, path = ""]) => path,
      );
      const bare = page.startsWith("docs/internals/")
        ? [...read(page).matchAll(/`([\w.-]+\.(?:ts|mjs))`/g)].map(([, name = ""]) => name)
        : [];
      const missing = [
        ...paths.filter((path) => !existsSync(join(ROOT, path))),
        ...bare.filter((name) => !names.has(name)),
      ];
      return missing.map((name) => `${page}: ${name}`);
    });
    expect(broken).toEqual([]);
  });
});
