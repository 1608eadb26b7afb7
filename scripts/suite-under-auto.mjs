// Runs the tests of Node or of a client, unchanged, without and with halfopen/auto, and compares: a
// program must not notice that it is watched. They are in no package, so their source is needed:
//
//   npm run build && node scripts/suite-under-auto.mjs SUITE PATH [FILTER]
//
// SUITE: one of the table below, which says what it needs. PATH: its source, with its development
// dependencies installed. FILTER: a part of the names of the test files to run. They run with the
// Node that runs this, alone and then under auto: each file in a process of its own, those of a
// mocha in one. Exit code 1 when a test fails that passes alone, when the counts differ otherwise,
// or when nothing was watched.
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** For node:test and mocha: both can report as TAP, which {@link resultOf} counts. */
const TAP = ["--test", "--test-reporter=tap"];
const MOCHA = ["node_modules/.bin/mocha", "--reporter", "tap"];
const MOCHA_OF_PG = [`../../${MOCHA[0]}`, ...MOCHA.slice(1)];

/**
 * Each group: the test files (`files`, below the folder `cwd`) and what runs them (`args`). `serial`:
 * they share a server. `env`: what they need of the environment.
 */
const SUITES = {
  // Node's source, of the version that runs this. Tests without TAP pass by their exit code.
  node: [{ files: /^test\/parallel\/test-(?:net|tls|https?|http2)-.*\.m?js$/, args: [] }],
  // npm run build:node && npm run generate-pem
  undici: [
    ...["", "busboy/", "cache/", "cache-interceptor/", "cookie/", "eventsource/", "fetch/"],
    ...["infra/", "interceptors/", "subresource-integrity/", "webidl/"],
    ...["node-fetch/(?:.*/)?", "node-test/(?:.*/)?", "websocket/(?:.*/)?"],
  ].map((folder) => ({
    files: new RegExp(`^test/${folder}[^/]*\\.js$`),
    args: ["--expose-gc", ...TAP],
  })),
  ws: [{ files: /^test\/[^/]*\.test\.js$/, args: [...MOCHA, "--throw-deprecation"] }],
  // A redis-server on port 6379 that saves nothing: redis-server --save ""
  ioredis: [
    {
      files: /^test\/(?:unit|functional)\/.*\.ts$/,
      args: [...MOCHA, "--no-experimental-strip-types", "test/helpers/*.ts"],
      serial: true,
      env: { TS_NODE_TRANSPILE_ONLY: "true", NODE_ENV: "test" },
    },
  ],
  "mqtt.js": [{ files: /^test\/node\/[^/]*\.ts$/, args: ["-r", "esbuild-register", ...TAP] }],
  // npx tsc --build, and a server on port 5432 with the user postgres, who needs no password.
  "node-postgres": [
    { cwd: "packages/pg", files: /^test\/(?:unit|integration)\/.*-tests\.js$/, args: [] },
    { cwd: "packages/pg-pool", files: /^test\/[^/]*\.js$/, args: MOCHA_OF_PG },
    { cwd: "packages/pg-cursor", files: /^test\/[^/]*\.js$/, args: MOCHA_OF_PG },
    {
      cwd: "packages/pg-query-stream",
      files: /^test\/[^/]*\.ts$/,
      args: [...MOCHA_OF_PG, "-r", "ts-node/register"],
    },
  ].map((group) => ({ ...group, serial: true, env: { PGUSER: "postgres" } })),
};
const LONGEST_MS = 300_000;

const [, , suite = "", path = "", filter = ""] = process.argv;
const groups = SUITES[suite];
if (groups === undefined || path === "") {
  console.error(`usage: suite-under-auto.mjs ${Object.keys(SUITES).join("|")} PATH [FILTER]`);
  process.exit(2);
}
const tests = groups.flatMap((group) => {
  const cwd = resolve(path, group.cwd ?? "");
  const files = readdirSync(join(cwd, "test"), { recursive: true })
    .map((name) => join("test", name))
    .filter((file) => group.files.test(file) && file.includes(filter));
  const runs = group.args.includes("--reporter") ? [files] : files.map((file) => [file]);
  return runs.filter((each) => each.length > 0).map((each) => ({ ...group, cwd, files: each }));
});
if (tests.length === 0) {
  console.error(`no test file of ${suite} below ${path} has "${filter}" in its name`);
  process.exit(2);
}

const folder = mkdtempSync(join(tmpdir(), "halfopen-suite-"));
const countFile = join(folder, "watched");
/** Counts what was watched, by what the watch itself publishes at the end of each connection. */
const counter = `
  let watched = 0;
  require("node:diagnostics_channel").subscribe("halfopen:state", ({ event }) => {
    if (event === "close") watched++;
  });
  process.on("exit", () => {
    if (watched > 0) require("node:fs").appendFileSync(${JSON.stringify(countFile)}, watched + "\\n");
  });
`;

/** Returns what a test file's process said: how many tests passed, and which failed. */
function resultOf(output, code) {
  const passed = /^# pass (\d+)$/m.exec(output)?.[1] ?? (code === 0 ? 1 : 0);
  const failed = [...output.matchAll(/^\s*not ok \d+ (?:- )?(.*)$/gm)].map(([, title]) => title);
  if (code !== 0 && failed.length === 0) failed.push(`exit code ${code}`);
  return { passed: Number(passed), failed };
}

/** With -r, since a hook that compiles the tests needs it: docs/auto.md. */
function run({ cwd, files, args, env }, required, slot) {
  const flags = /^\/\/ Flags:\s*(.*)$/m.exec(readFileSync(join(cwd, files[0]), "utf8"))?.[1];
  const own = suite === "node" && flags !== undefined ? flags.trim().split(/\s+/) : [];
  const child = spawn(process.execPath, [...own, ...args, ...files], {
    cwd,
    env: {
      ...process.env,
      ...env,
      NODE_OPTIONS: required.map((name) => `-r ${name}`).join(" "),
      TEST_THREAD_ID: `${slot}`,
      NODE_TEST_DIR: folder,
    },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true, // a group, which ends with what it started
  });
  const timer = setTimeout(() => process.kill(-child.pid, "SIGKILL"), LONGEST_MS);
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (data) => {
      output += data;
    });
  return new Promise((done) => {
    // What a test leaves running may hold the pipes open.
    child.on("exit", () =>
      setTimeout(() => {
        child.stdout.destroy();
        child.stderr.destroy();
      }, 2000).unref(),
    );
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      done({ ...resultOf(output, code ?? signal), output });
    });
  });
}

const total = { alone: 0, aloneFailed: 0, auto: 0, autoFailed: 0 };
let different = 0;

/** A difference counts only when what auto loads of Node makes none of its own. */
async function compare(test, slot) {
  const alone = await run(test, [], slot);
  const auto = await run(test, [watchAll, join(folder, "count.cjs")], slot);
  total.alone += alone.passed;
  total.aloneFailed += alone.failed.length;
  total.auto += auto.passed;
  total.autoFailed += auto.failed.length;
  const only = auto.failed.filter((title) => !alone.failed.includes(title));
  if (only.length === 0 && alone.passed === auto.passed) return;

  const loaded = await run(test, [join(folder, "loaded.cjs")], slot);
  const isOwn = loaded.passed === auto.passed && only.every((it) => loaded.failed.includes(it));
  console.log(`${test.files[0]}: ${alone.passed} passed alone, ${auto.passed} under halfopen/auto`);
  for (const title of only) console.log(`  fails only under halfopen/auto: ${title}`);
  if (isOwn) console.log("  and as well with no more than node:tls loaded before it");
  else different++;
  if (only.length > 0 && !isOwn) console.log(auto.output.slice(-3000));
}

const watchAll = fileURLToPath(new URL("../dist/auto/index.js", import.meta.url));
try {
  writeFileSync(countFile, "");
  writeFileSync(join(folder, "count.cjs"), counter);
  writeFileSync(join(folder, "loaded.cjs"), 'require("node:tls");');
  const slots = tests[0].serial ? 1 : availableParallelism();
  await Promise.all(
    Array.from({ length: slots }, async (_, slot) => {
      for (let test = tests.shift(); test; test = tests.shift()) await compare(test, slot);
    }),
  );
  const watched = readFileSync(countFile, "utf8")
    .split("\n")
    .reduce((sum, line) => sum + Number(line), 0);
  console.log(`${suite} on Node ${process.versions.node}:`);
  console.log(`alone: ${total.alone} passed, ${total.aloneFailed} failed`);
  console.log(`under halfopen/auto: ${total.auto} passed, ${total.autoFailed} failed`);
  console.log(`${watched} connections were watched`);
  process.exitCode = different > 0 || watched === 0 ? 1 : 0;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
