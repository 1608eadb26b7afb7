// Runs Node's own tests of its net, tls, http, https and http2 modules without and with
// halfopen/auto, and compares: an unchanged program must not notice that it is watched. They are not
// in Node's packages, so its source is needed, of the version that runs them:
//
//   npm run build && node scripts/node-suite-under-auto.mjs node-v20.20.2 [FILTER]
//
// FILTER: part of the names of the tests to run. Exit code 1 when a test fails that passes without,
// or when nothing was watched.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [, , source = "node", filter = ""] = process.argv;
const tests = join(resolve(source), "test/parallel");
if (!existsSync(tests)) {
  console.error(`${tests} is missing: pass the path of Node's source (see the head of this file)`);
  process.exit(2);
}
/** Loads what auto loads of Node: two tests stand in for parts of tls before it is loaded. */
const NOTHING = 'data:text/javascript,import "node:tls"';
const LONGEST_MS = 120_000;
const names = readdirSync(tests).filter(
  (name) => /^test-(?:net|tls|https?|http2)-.*\.m?js$/.test(name) && name.includes(filter),
);

const folder = mkdtempSync(join(tmpdir(), "halfopen-node-suite-"));
const countFile = join(folder, "watched");
/** Counts what was watched, by what the watch itself publishes at the end of each connection. */
const counter = `
  import { subscribe } from "node:diagnostics_channel";
  import { appendFileSync } from "node:fs";
  let watched = 0;
  subscribe("halfopen:state", ({ event }) => { if (event === "close") watched++; });
  process.on("exit", () => { if (watched > 0) appendFileSync(${JSON.stringify(countFile)}, watched + "\\n"); });
`;

/** Returns how a test ended: "" for well, else its last words. */
function outcome(name, options, slot) {
  const file = join(tests, name);
  const flags = /^\/\/ Flags:\s*(.*)$/m.exec(readFileSync(file, "utf8"))?.[1]?.split(/\s+/) ?? [];
  const child = spawn(process.execPath, [...options, ...flags, file], {
    cwd: resolve(source),
    env: { ...process.env, TEST_THREAD_ID: `${slot}`, NODE_TEST_DIR: folder },
    stdio: ["ignore", "ignore", "pipe"],
    timeout: LONGEST_MS,
  });
  let words = "";
  child.stderr.on("data", (data) => {
    words = (words + data).slice(-3000);
  });
  return new Promise((done) =>
    child.on("close", (code, signal) =>
      done(code === 0 ? "" : `${signal ?? code}: ${words.trim()}`),
    ),
  );
}

async function run(title, options) {
  const left = [...names];
  const failed = new Map();
  const slots = Array.from({ length: availableParallelism() }, async (_, slot) => {
    for (let name = left.shift(); name; name = left.shift()) {
      const words = await outcome(name, options, slot);
      if (words !== "") failed.set(name, words);
    }
  });
  await Promise.all(slots);
  console.log(`${title}: ${names.length - failed.size} of ${names.length} passed`);
  return failed;
}

try {
  writeFileSync(countFile, "");
  writeFileSync(join(folder, "count.mjs"), counter);
  const auto = new URL("../dist/auto/index.js", import.meta.url).href;
  const alone = await run("Node's tests alone", ["--import", NOTHING]);
  const count = pathToFileURL(join(folder, "count.mjs")).href;
  const watched = await run("Node's tests under halfopen/auto", [
    "--import",
    auto,
    "--import",
    count,
  ]);
  const broken = [...watched].filter(([name]) => !alone.has(name));
  const connections = readFileSync(countFile, "utf8")
    .split("\n")
    .reduce((sum, line) => sum + Number(line), 0);
  console.log(`${connections} connections were watched`);
  for (const [name, words] of broken)
    console.log(`fails only under halfopen/auto: ${name}\n${words}\n`);
  process.exitCode = broken.length > 0 || connections === 0 ? 1 : 0;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
