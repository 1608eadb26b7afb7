import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { describe, expect, it } from "vitest";

const SRC = new URL("../src/", import.meta.url).pathname;

/** What each folder of src may import, and why no more. Imports point downwards only. */
const LAYERS: Readonly<
  Record<string, { readonly may: readonly string[]; readonly because: string }>
> = {
  core: {
    may: ["core"],
    because: "a verdict must be reproducible from evidence and instants alone",
  },
  kernel: { may: ["core", "kernel"], because: "what the OS tells must not depend on who asks" },
  watch: {
    may: ["core", "kernel", "watch"],
    because: "the two wings, in-process and whole machine, must not know each other",
  },
  survey: {
    may: ["core", "kernel", "survey"],
    because: "audit and guard see the machine through it, each in its own way",
  },
  audit: {
    may: ["core", "kernel", "survey", "audit"],
    because: "who only looks must not know who acts",
  },
  guard: {
    may: ["core", "kernel", "survey", "guard"],
    because: "who acts must not know who only looks",
  },
  heartbeat: {
    may: ["core", "kernel", "watch", "heartbeat"],
    because: "proofs of a process build on a watch",
  },
  auto: {
    may: ["core", "kernel", "watch", "auto"],
    because: "adoption without code builds on a watch",
  },
  testing: { may: ["core", "testing"], because: "users' own tests must not need a kernel" },
  lab: {
    may: ["core", "kernel", "watch", "audit", "testing", "lab"],
    because: "the lab puts the product to the test, not the command line",
  },
  cli: {
    may: [
      "core",
      "kernel",
      "watch",
      "survey",
      "audit",
      "guard",
      "heartbeat",
      "auto",
      "testing",
      "lab",
      "cli",
    ],
    because: "surfaces compose; nothing composes them",
  },
};
/**
 * The rooms of a layer: each imports from those before it only, and of the layer's own files from
 * any.
 */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  core: ["time", "detectors", "judge", "cause", "forecast"],
  kernel: ["port", "netlink", "process", "tcp-info", "options", "system"],
};
/** What loads native code: on Linux either of two, elsewhere koffi alone. */
const BACK_ENDS = ["kernel/port/load-koffi.ts", "kernel/port/node-ffi-port.ts"];
/** A file is read in one sitting. */
const LONGEST_FILE = 250;
/** Of code and comments; text that is one piece may be longer. */
const WIDEST_COMMENT = 100;

const files = readdirSync(SRC, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts"))
  .map((name) => ({ name, text: readFileSync(join(SRC, name), "utf8") }));

function importsOf(text: string): string[] {
  const ways =
    /(?:\bfrom\s+|\bimport\s*\(?\s*|\brequire\)?\(?\s*\(?|\bcreateRequire\([^)]*\)\(|\bgetBuiltinModule\(|\.resolve\()"([^"]+)"/g;
  return [...text.matchAll(ways)].map(([, target = ""]) => target);
}

/** The files of src that a file imports, types included. */
function importedFiles(name: string, text: string): string[] {
  return importsOf(text)
    .filter((target) => target.startsWith("."))
    .map((target) => relative(SRC, join(SRC, name, "..", target)));
}

/** Comments and texts may say what code must not. */
function codeOf(text: string): string {
  const withoutComments = text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "");
  return withoutComments.replace(/"(?:[^"\\]|\\.)*"/g, '""').replace(/`[^`]*`/g, "``");
}

function layerOf(path: string): string {
  return path.split("/")[0] ?? "";
}

/** The names of files that break a rule, with what breaks it. */
function breaches(
  rule: (file: { name: string; text: string }) => (string | null | undefined)[],
): string[] {
  return files.flatMap((file) =>
    rule(file)
      .filter((breach) => breach != null && breach !== "")
      .map((breach) => `${file.name}: ${breach}`),
  );
}

describe("the source", () => {
  it("is found by this test", () => expect(files.length).toBeGreaterThan(50));

  it("imports only from the layers below", () => {
    const found = breaches(({ name, text }) => {
      // A public entry of the package may gather from everywhere
      if (!name.includes("/")) return [];
      const layer = LAYERS[layerOf(name)];
      if (!layer) return ["is in no layer of this test; add its folder with the reason"];
      return importsOf(text).map((target) => {
        const to = layerOf(relative(SRC, join(SRC, name, "..", target)));
        return !target.startsWith(".") || layer.may.includes(to)
          ? null
          : `may not import ${target}, because ${layer.because}`;
      });
    });
    expect(found).toEqual([]);
  });

  it("imports only from the rooms before, within a layer", () => {
    const found = breaches(({ name, text }) => {
      const [layer = "", room = ""] = name.split("/");
      const rooms = ROOMS[layer];
      if (!rooms || name.split("/").length < 3) return [];
      if (!rooms.includes(room)) return ["is in no room of this test"];
      return importsOf(text).map((target) => {
        const [toLayer, to = ""] = relative(SRC, join(SRC, name, "..", target)).split("/");
        return toLayer === layer && rooms.indexOf(to) > rooms.indexOf(room)
          ? `may not import ${target}`
          : null;
      });
    });
    expect(found).toEqual([]);
  });

  it("has no circle of files, also not of their types", () => {
    const open = new Map(files.map(({ name, text }) => [name, importedFiles(name, text)]));
    // Takes off what imports nothing that is left, so that each file that stays imports another
    // one.
    for (let size = 0; size !== open.size; ) {
      size = open.size;
      for (const [name, targets] of open)
        if (!targets.some((target) => open.has(target))) open.delete(name);
    }
    const walked: string[] = [];
    let next = [...open.keys()][0];
    for (
      ;
      next !== undefined && !walked.includes(next);
      next = open.get(next)?.find((target) => open.has(target))
    )
      walked.push(next);
    expect(walked.slice(walked.indexOf(next ?? ""))).toEqual([]);
  });

  it("names relative imports with .ts", () => {
    expect(
      breaches(({ text }) =>
        importsOf(text).filter((target) => target.startsWith(".") && !target.endsWith(".ts")),
      ),
    ).toEqual([]);
  });

  it("keeps a file short enough for one sitting, without default exports", () => {
    const isLong = (text: string): boolean => text.split("\n").length - 1 > LONGEST_FILE;
    // Split one by idea, never by moving a function to where there is room.
    expect(files.filter(({ text }) => isLong(text)).map(({ name }) => name)).toEqual([]);
    expect(breaches(({ text }) => [/export default/.exec(codeOf(text))?.[0]])).toEqual([]);
  });

  it("keeps comments within 100 columns, as the formatter does the code", () => {
    const found = breaches(({ text }) =>
      text
        .split("\n")
        .filter((line) => line.length > WIDEST_COMMENT && /^\s*(?:\/\*|\*\s|\/\/)/.test(line)),
    );
    expect(found.filter((line) => !line.startsWith("cli/"))).toEqual([]); // help texts
  });

  it("reaches native code only through the port", () => {
    const native = ["koffi", "#koffi", "node:ffi"];
    const loaded = files
      .filter(({ name }) => BACK_ENDS.includes(name))
      .flatMap(({ text }) => importsOf(text));
    // This test sees how they are loaded
    expect(native.filter((target) => !loaded.includes(target))).toEqual([]);
    expect(
      breaches(({ name, text }) =>
        BACK_ENDS.includes(name) ? [] : importsOf(text).filter((target) => native.includes(target)),
      ),
    ).toEqual([]);
  });

  it("writes to the terminal by one file alone, where what others named is made printable", () => {
    const writers = ["cli/output.ts", "cli/progress.ts"];
    // Reading its size is harmless; so is hearing that its reader has gone.
    const direct = /\bprocess\.std(?:out|err)\b(?!\.(?:isTTY|rows|columns|on)\b)|\bconsole\.\w+/;
    const found = breaches(({ name, text }) =>
      layerOf(name) === "cli" && !writers.includes(name) ? [direct.exec(codeOf(text))?.[0]] : [],
    );
    expect(found).toEqual([]);
    const stringified = /\bJSON\.stringify\([^)]*\)\}?\\n/; // data that goes out as it is
    expect(
      breaches(({ name, text }) => (layerOf(name) === "cli" ? [stringified.exec(text)?.[0]] : [])),
    ).toEqual([]);
  });

  it("keeps core pure: the instant comes in as an argument, the next deadline goes out", () => {
    const impure =
      /\bnew Date|\bDate\.|\bperformance\.|\bprocess\.|\bBuffer\b|\bset(?:Timeout|Interval|Immediate)\b|\bqueueMicrotask\b|\bMath\.random|\bconsole\.|\bPromise\b|\basync\b|\bawait\b/;
    const found = breaches(({ name, text }) => {
      if (layerOf(name) !== "core") return [];
      return [
        impure.exec(codeOf(text))?.[0],
        ...importsOf(text).filter((target) => !target.startsWith(".")),
      ];
    });
    expect(found).toEqual([]);
  });
  it("takes clocks and timers from one file in what runs inside a program, which may replace them", () => {
    const home = "kernel/clock.ts";
    const inPrograms = ["kernel", "watch", "heartbeat", "auto"];
    const global =
      /(?<![.\w])(?:(?:set|clear)(?:Timeout|Interval|Immediate)|queueMicrotask)\s*\(|\bprocess\.(?:nextTick|hrtime)\b|\bperformance\.|\bDate\.now\b|\bnew Date\(\)|\bAbortSignal\.timeout\b/;
    const found = breaches(({ name, text }) => {
      if (!inPrograms.includes(layerOf(name)) || name === home) return [];
      return [
        global.exec(codeOf(text))?.[0],
        ...importsOf(text).filter((target) => /^node:(?:timers|perf_hooks)/.test(target)),
      ];
    });
    expect(found).toEqual([]);
    const clock = files.find(({ name }) => name === home)?.text ?? "";
    expect(clock).toMatch(global); // this test sees them
  });
});

describe("ARCHITECTURE.md", () => {
  const page = readFileSync(new URL("../ARCHITECTURE.md", import.meta.url), "utf8");
  const blocks = [...page.matchAll(/^```\n([\s\S]*?)^```$/gm)].map(([, block = ""]) => block);
  const arrows = [...page.matchAll(/([\w/-]+\.ts) -> ([\w/-]+\.ts)/g)].map(
    ([, from = "", to = ""]) => ({ from, to }),
  );

  it("fits on two screens", () => {
    const lines = page.trimEnd().split("\n");
    expect(lines.length).toBeLessThanOrEqual(110);
    // A table wraps by itself
    expect(lines.filter((line) => line.length > 100 && !line.startsWith("|"))).toEqual([]);
  });

  it("names the layers that there are", () => {
    const folders = files.filter(({ name }) => name.includes("/")).map(({ name }) => layerOf(name));
    const named = (blocks[0] ?? "")
      .split("\n")
      .flatMap((line) => line.slice(0, 22).match(/\S+/g) ?? []);
    expect(named.sort()).toEqual([...new Set(folders)].sort());
  });

  it("draws the way of a reading along imports", () => {
    expect(arrows.length).toBeGreaterThan(10);
    const imports = new Map(files.map(({ name, text }) => [name, importedFiles(name, text)]));
    expect(arrows.filter(({ from, to }) => !imports.get(from)?.includes(to))).toEqual([]);
  });

  it("draws it without a gap: each arrow begins where an earlier one has been", () => {
    const reached = new Set([arrows[0]?.from]);
    const gaps = arrows.filter(({ from, to }) => {
      reached.add(to);
      return !reached.has(from);
    });
    expect(gaps).toEqual([]);
  });

  it("names files that exist", () => {
    const named = [...page.matchAll(/(?<![\w.])(?:[\w-]+\/)+[\w.-]+\.(?:ts|mjs|md)\b/g)].map(
      ([name]) => name,
    );
    expect(named.length).toBeGreaterThan(30);
    expect(
      named.filter((name) => !existsSync(join(SRC, name)) && !existsSync(join(SRC, "..", name))),
    ).toEqual([]);
  });
});
