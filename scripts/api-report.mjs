/**
 * Prints what the built package exports to its users: `node scripts/api-report.mjs [DIST]`. For each
 * entry point every exported name with its declaration, without comments and private members.
 */
import { readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** Returns the report of the package whose declarations lie in `dist`. */
export function apiReport(dist) {
  const { exports } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  return Object.entries(exports)
    .filter(([, target]) => target.types)
    .map(([entry, { types }]) => {
      const exported = exportsOf(join(dist, types.replace("./dist/", "")));
      const blocks = [...exported].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, text]) => text);
      return `# halfopen${entry.slice(1)}\n\n${blocks.join("\n\n")}\n`;
    })
    .join("\n");
}

/** The exported names of a declaration file, and the text of what each stands for. */
function exportsOf(path) {
  const exported = new Map();
  for (const statement of statementsOf(path)) {
    const from = /^export (?:type )?\{([^}]*)\} from "(.+)\.[tj]s";$/s.exec(statement);
    if (!from) {
      const name = nameOf(statement);
      if (name) exported.set(name, statement);
      continue;
    }
    const source = exportsOf(resolve(dirname(path), `${from[2]}.d.ts`));
    for (const part of from[1].split(",").filter((text) => text.trim())) {
      const [name, as = name] = part
        .trim()
        .replace(/^type /, "")
        .split(" as ");
      exported.set(as, as === name ? source.get(name) : `${as} = ${source.get(name)}`);
    }
  }
  return exported;
}

function nameOf(statement) {
  return /^export (?:declare )?(?:abstract )?(?:class|interface|type|function|const|enum) (\w+)/.exec(
    statement,
  )?.[1];
}

/** Statements begin at the first column. */
function statementsOf(path) {
  const code = readFileSync(path, "utf8")
    .replace(/\/\*[\s\S]*?\*\//g, "")
    .replace(/^\s*(?:\/\/.*|#private;|private .*)$/gm, "")
    .replace(/^\s*\n/gm, "")
    .replace(/\{[^{}:;]*\}(\??): /g, "options$1: "); // names of parameters are nobody's contract
  return code
    .split(/^(?=[a-z])/m)
    .map((text) => text.trim().replace(/^export declare /, "export "));
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  console.log(apiReport(resolve(process.argv[2] ?? join(ROOT, "dist"))));
