import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const ROOT = new URL("../", import.meta.url).pathname;
const read = (name: string): string => readFileSync(join(ROOT, name), "utf8");

const SOURCES = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" })
  // The lab's events stay inside it.
  .filter((name) => name.endsWith(".ts") && !name.startsWith("lab/"))
  .map((name) => read(`src/${name}`));
const ALL = SOURCES.join("\n");
const EVENTS = read("docs/events.md");
const ERRORS = read("docs/errors.md");

function found(text: string, pattern: RegExp): string[] {
  return [...new Set([...text.matchAll(pattern)].map(([, name = ""]) => name))].sort();
}

/** The body of an interface or type, up to the brace that closes it. */
function bodyOf(name: string): string {
  return (
    ALL.match(new RegExp(`^(?:export )?interface ${name}\\b[^{]*\\{\\n(.*?)^\\}`, "ms"))?.[1] ?? ""
  );
}

/**
 * Names that a document tells of: those in code that begin a row of one of its tables, and those
 * inside a row.
 */
function tablesOf(document: string): string[] {
  return found(
    document
      .split("\n")
      .filter((line) => line.startsWith("| `"))
      .join("\n"),
    /`([\w-]+)`/g,
  );
}

describe("the reference of errors", () => {
  const used = found(ALL, /"(ERR_[A-Z_]+)"/g).filter((code) => !code.startsWith("ERR_PARSE_ARGS"));
  const typed = found(read("src/core/errors.ts"), /\| "(ERR_\w+)"/g);

  it("has a heading for each code of the source, and for no other", () => {
    expect(typed.length).toBeGreaterThan(5);
    expect(found(ERRORS, /^### (ERR_\w+)$/gm)).toEqual(typed);
  });

  it("covers every code that is used, and each is used", () => {
    expect(used).toEqual(typed);
  });
});

describe("the reference of events", () => {
  const documented = tablesOf(EVENTS);

  it("has every event that a watch emits", () => {
    const interfaces = found(ALL, /interface (\w+Events)\b/g);
    expect(interfaces).toEqual(["ClientWatchEvents", "ServerWatchEvents", "WatcherEvents"]);
    const events = interfaces.flatMap((name) => found(bodyOf(name), /^ {2}(\w+): \[/gm));
    expect(new Set(events).size).toBeGreaterThan(4);
    expect(events.filter((name) => !documented.includes(name))).toEqual([]);
  });

  it("has every diagnostics channel and process warning", () => {
    const channels = found(ALL, /\bchannel\("([^"]+)"\)/g);
    expect(channels).toContain("halfopen:state");
    expect(channels.filter((name) => !EVENTS.includes(`\`${name}\``))).toEqual([]);
    const warnings = found(ALL, /code: "(HALFOPEN_\w+)"/g);
    expect(warnings).toContain("HALFOPEN_CHECK_FAILED");
    expect(warnings.filter((name) => !documented.includes(name))).toEqual([]);
  });

  it("has every action of guard and exec", () => {
    const [line = ""] = ALL.match(/^export type GuardAction = .*$/m) ?? [];
    const actions = found(line, /"([\w-]+)"/g);
    expect(actions.length).toBeGreaterThan(4);
    expect(actions.filter((name) => !documented.includes(name))).toEqual([]);
  });

  it.each([
    "Diagnosis",
    "Evidence",
    "LocalPath",
    "OtherConnections",
    "StateMessage",
    "GuardEvent",
    "NamedConnection",
  ])("has every field of %s", (name) => {
    const fields = found(bodyOf(name), /^ {2}readonly (\w+)\??:/gm);
    expect(fields.length).toBeGreaterThan(1);
    expect(fields.filter((field) => !documented.includes(field))).toEqual([]);
  });

  it("has every cause, on its own page", () => {
    const [causes = ""] = ALL.match(/^export type Cause =.*?;/ms) ?? [];
    const page = read("docs/diagnosis.md");
    const headings = found(page, /^## ([a-z-]+(?:, [a-z-]+)*)$/gm).flatMap((it) => it.split(", "));
    expect(headings.sort()).toEqual(found(causes, /"([\w-]+)"/g));
    expect(headings.length).toBe(17);
  });
});
