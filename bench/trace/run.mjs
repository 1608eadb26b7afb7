// The walk of one reading from the kernel to the verdict: `npm run bench:trace`. Each function of
// the package with a block body says when it is entered, while a connection is watched whose cable
// is pulled. Per check: functions entered, files, moves between files, decodings of TCP_INFO.
import { execFileSync } from "node:child_process";
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { parseAst } from "rolldown/parseAst";
import { World } from "../../dist/lab/world.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const PORT = 7000;
const FUNCTIONS = new Set(["FunctionDeclaration", "FunctionExpression", "ArrowFunctionExpression"]);
/** What the engine calls for each connection that is due. */
const CHECK = { file: "watch/connection", name: "check" };
/**
 * What no reading should pass: of the check that finds the first missing answer, and of a calm one.
 */
const TARGETS = {
  "first answer missing": { files: 20, moves: 60, decoded: 1 },
  calm: { files: 7, moves: 12, decoded: 0 },
};

const { values } = parseArgs({ options: { path: { type: "boolean", default: false } } });
const folder = mkdtempSync(join(tmpdir(), "halfopen-trace-"));
try {
  instrument(folder);
  const checks = await run(folder);
  report(checks);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** A copy of the built package whose functions say that they are entered. */
function instrument(into) {
  for (const name of ["package.json", "dist"])
    cpSync(join(ROOT, name), join(into, name), { recursive: true });
  symlinkSync(join(ROOT, "node_modules"), join(into, "node_modules"));
  const dist = join(into, "dist");
  // Modules that are bundled cannot be told apart.
  const compiler = join(ROOT, "node_modules/typescript/bin/tsc");
  const project = ["-p", join(ROOT, "tsconfig.build.json"), "--incremental", "false"];
  execFileSync(process.execPath, [compiler, ...project, "--outDir", dist]);
  for (const name of readdirSync(dist, { recursive: true, encoding: "utf8" })) {
    if (!name.endsWith(".js") || /^(vendor|lab|cli|testing)\//.test(name)) continue;
    const path = join(dist, name);
    writeFileSync(path, withEntries(readFileSync(path, "utf8"), name.replace(/\.js$/, "")));
  }
}

function withEntries(code, file) {
  /** @type {{ at: number, text: string }[]} */
  const insertions = [];
  visit(parseAst(code), "", (name, body) => {
    const isCheck = file === CHECK.file && name === CHECK.name;
    const entered = `globalThis.__entered?.(${JSON.stringify(file)}, ${JSON.stringify(name)});`;
    insertions.push({
      at: body.start + 1,
      text: isCheck ? `globalThis.__begin?.();${entered}try{` : entered,
    });
    if (isCheck) insertions.push({ at: body.end - 1, text: "}finally{globalThis.__end?.()}" });
  });
  let text = code;
  for (const { at, text: inserted } of insertions.sort((a, b) => b.at - a.at))
    text = text.slice(0, at) + inserted + text.slice(at);
  return text;
}

/** Calls `onBody` with each block body of a function, and with the function's name. */
function visit(node, name, onBody) {
  if (Array.isArray(node)) {
    for (const child of node) visit(child, name, onBody);
    return;
  }
  if (node === null || typeof node !== "object") return;
  const called = node.id?.name ?? node.key?.name ?? name;
  if (FUNCTIONS.has(node.type) && node.body?.type === "BlockStatement") onBody(called, node.body);
  for (const [key, child] of Object.entries(node))
    if (key !== "id" && key !== "key" && typeof child === "object") visit(child, called, onBody);
}

/**
 * Two hosts and a switch; the peer's cable is pulled when the connection has become calm. Returns
 * the checks that the subject saw.
 */
async function run(copy) {
  const world = await World.open();
  try {
    const network = await world.network({ variant: "switch" });
    const peer = `require("node:net").createServer((s) => s.resume()).listen(${PORT}, "0.0.0.0", () => console.log("ready"))`;
    await firstLine(await network.spawn("right", [process.execPath, "-e", peer]));
    const script = fileURLToPath(new URL("subject.mjs", import.meta.url));
    const env = {
      HALFOPEN_COPY: join(copy, "dist/index.js"),
      PEER: network.address("right"),
      PORT: String(PORT),
    };
    const subject = await network.spawn("left", [process.execPath, script], { env });
    const lines = [];
    const ended = new Promise((resolve, reject) => {
      subject.onLine((line) =>
        line === "calm" ? void network.pullCable("right") : lines.push(line),
      );
      subject.onExit((code) =>
        code === 0 ? resolve(null) : reject(new Error(subject.errors.join("\n"))),
      );
    });
    await ended;
    return lines.map((line) => JSON.parse(line));
  } finally {
    await world.close();
  }
}

function firstLine(program) {
  return new Promise((resolve) => program.onLine(resolve));
}

function report(checks) {
  const suspectAt = checks.findIndex(({ state }) => state === "suspect");
  const chosen = {
    calm: checks[suspectAt - 1],
    "first answer missing": checks[suspectAt],
    "further look": checks[suspectAt + 1],
    verdict: checks.find(({ state }) => state === "dead"),
  };
  console.log("check                  entries  files  moves  TCP_INFO decoded");
  for (const [name, check] of Object.entries(chosen)) {
    const files = check.entered.map(([file]) => file);
    const walk = files.filter((file, i) => file !== files[i - 1]);
    const row = {
      files: new Set(files).size,
      moves: walk.length - 1,
      decoded: check.entered.filter(([, fn]) => fn === "decodeTcpInfo").length,
    };
    const target = TARGETS[name];
    const isMet =
      target === undefined || Object.entries(target).every(([key, most]) => row[key] <= most);
    const verdict = target
      ? `  wanted <= ${target.files}, ${target.moves}, ${target.decoded}: ${isMet ? "met" : "missed"}`
      : "";
    console.log(
      `${name.padEnd(22)} ${String(files.length).padStart(7)} ${String(row.files).padStart(6)} ${String(row.moves).padStart(6)} ${String(row.decoded).padStart(17)}${verdict}`,
    );
    if (values.path) console.log(walk.map((file) => `  ${file}`).join("\n"));
  }
}
