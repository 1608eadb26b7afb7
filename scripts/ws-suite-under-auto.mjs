// Runs the test suite of the package ws, unchanged, without and with halfopen/auto, and compares:
// an unchanged program must not notice that it is watched. Its tests are not in its npm package, so
// a checkout is needed:
//
//   git clone https://github.com/websockets/ws && npm --prefix ws install --ignore-scripts
//   --no-save mocha@8
//   npm run build && node scripts/ws-suite-under-auto.mjs ws
//
// Exit code 1 when a test fails that passes without, or when nothing was watched.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const checkout = resolve(process.argv[2] ?? "ws");
const mocha = join(checkout, "node_modules/mocha/bin/mocha");
if (!existsSync(mocha)) {
  console.error(
    `${mocha} is missing: pass the path of a checkout of ws in which mocha is installed (see the head of this file)`,
  );
  process.exit(2);
}

const folder = mkdtempSync(join(tmpdir(), "halfopen-ws-suite-"));
const countFile = join(folder, "watched");
/** Counts what was watched, by what the watch itself publishes at the end of each connection. */
const counter = `
  import { subscribe } from "node:diagnostics_channel";
  import { appendFileSync } from "node:fs";
  let watched = 0;
  subscribe("halfopen:state", ({ event }) => { if (event === "close") watched++; });
  process.on("exit", () => appendFileSync(${JSON.stringify(countFile)}, watched + "\\n"));
`;

/** By NODE_OPTIONS: mocha starts another Node for the tests. */
function run(title, imports) {
  const tests = readdirSync(join(checkout, "test"))
    .filter((name) => name.endsWith(".test.js"))
    .map((name) => join("test", name));
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    [mocha, "--throw-deprecation", "--reporter", "json", ...tests],
    {
      cwd: checkout,
      env: { ...process.env, NODE_OPTIONS: imports.map((file) => `--import ${file}`).join(" ") },
      encoding: "utf8",
      maxBuffer: 1 << 28,
      timeout: 300_000,
    },
  );
  const from = stdout.indexOf("{\n");
  if (from < 0) throw new Error(`mocha ended with ${status}: ${stderr.slice(-2000)}`);
  const { stats, failures } = JSON.parse(stdout.slice(from));
  console.log(`${title}: ${stats.passes} passed, ${stats.failures} failed`);
  return new Set(failures.map(({ fullTitle }) => fullTitle));
}

try {
  writeFileSync(join(folder, "count.mjs"), counter);
  const auto = new URL("../dist/auto/index.js", import.meta.url).href;
  const alone = run("ws alone", []);
  const watched = run("ws under halfopen/auto", [
    auto,
    pathToFileURL(join(folder, "count.mjs")).href,
  ]);
  const broken = [...watched].filter((title) => !alone.has(title));
  const connections = readFileSync(countFile, "utf8")
    .trim()
    .split("\n")
    .reduce((sum, line) => sum + Number(line), 0);
  console.log(`${connections} connections were watched`);
  for (const title of broken) console.log(`fails only under halfopen/auto: ${title}`);
  process.exitCode = broken.length > 0 || connections === 0 ? 1 : 0;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
