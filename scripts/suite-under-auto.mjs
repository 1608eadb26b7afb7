// Runs the tests of Node or of a client, unchanged, without and with halfopen/auto, and compares: a
// program must not notice that it is watched. They are in no package, so their source is needed:
//
//   npm run build && node scripts/suite-under-auto.mjs SUITE PATH [FILTER]
//
// SUITE: one of the table below, which says what it needs. PATH: its source, with its development
// dependencies installed. FILTER: a part of the paths of the test files to run. They run with the
// Node that runs this, a file in a process of its own, alone and then under auto. A file with a
// difference runs 10 times more: alone, with no more than node:tls loaded before it (which auto
// loads too), and under auto. All its tests that fail now and then are named, with how often. Exit
// code 1 when a test fails under auto only, or when nothing was watched.
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
 * they share a server. `inOne`: they run in one process. `env`: what they need of the environment.
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
    { files: /^test\/(?:unit|functional)\/(?!commands\/).*\.ts$/ },
    { files: /^test\/functional\/commands\/.*\.ts$/, inOne: true }, // 240 of a test or two
  ].map((group) => ({
    ...group,
    args: [...MOCHA, "--no-experimental-strip-types", "test/helpers/*.ts"],
    serial: true,
    env: { TS_NODE_TRANSPILE_ONLY: "true", NODE_ENV: "test" },
  })),
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
  ].map((group) => ({
    ...group,
    serial: true,
    env: { PGUSER: "postgres", TS_NODE_TRANSPILE_ONLY: "true" },
  })),
};
const LONGEST_MS = 120_000;
/** Times that a file with a difference runs again in each of the three ways. */
const AGAIN = 10;

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
    .filter((file) => group.files.test(file) && join(cwd, file).includes(filter));
  const runs = group.inOne ? [files] : files.map((file) => [file]);
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

/** Returns how many tests of a file passed, and which failed: a file without TAP is one test. */
function resultOf(output, code) {
  const passed = /^# pass (\d+)$/m.exec(output)?.[1] ?? (code === 0 ? 1 : 0);
  const failed = [...output.matchAll(/^\s*not ok \d+ (?:- )?(.*)$/gm)].map(([, title]) => title);
  if (code !== 0 && failed.length === 0) failed.push(`exit code ${code}`);
  return { passed: Number(passed), failed, output };
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
      done(resultOf(output, code ?? signal));
    });
  });
}

const total = { alone: { passed: 0, failed: 0 }, auto: { passed: 0, failed: 0 } };
let different = 0;

async function compare(test, slot) {
  const alone = await run(test, [], slot);
  const auto = await run(test, [watchAll, join(folder, "count.cjs")], slot);
  for (const [sum, { passed, failed }] of [
    [total.alone, alone],
    [total.auto, auto],
  ]) {
    sum.passed += passed;
    sum.failed += failed.length;
  }
  const isSame = String(alone.failed) === String(auto.failed) && alone.passed === auto.passed;
  if (!isSame) await runAgain(test, slot, { alone, auto });
}

/** Separates what auto changes from what node:tls does, and from what fails now and then. */
async function runAgain(test, slot, first) {
  const runs = { alone: [first.alone], loaded: [], auto: [first.auto] };
  for (let time = 0; time < AGAIN; time++) {
    runs.alone.push(await run(test, [], slot));
    runs.loaded.push(await run(test, [join(folder, "loaded.cjs")], slot));
    runs.auto.push(await run(test, [watchAll], slot));
  }
  const all = [...runs.alone, ...runs.loaded, ...runs.auto];
  const passed = Object.values(runs).map((each) => each.map((result) => result.passed).join(" "));
  console.log(
    `${test.files[0]}: passed alone ${passed[0]}, with node:tls ${passed[1]}, auto ${passed[2]}`,
  );
  for (const title of new Set(all.flatMap((result) => result.failed))) {
    const failed = (way) => runs[way].filter((result) => result.failed.includes(title)).length;
    const rate = (way) => `${failed(way)} of ${runs[way].length}`;
    const isOfAuto = failed("alone") + failed("loaded") === 0;
    console.log(
      `  ${isOfAuto ? "FAILS UNDER AUTO ONLY" : "fails"}: alone ${rate("alone")}, ` +
        `with node:tls ${rate("loaded")}, auto ${rate("auto")}: ${title}`,
    );
    if (!isOfAuto) continue;
    different++;
    const output = runs.auto.find((result) => result.failed.includes(title))?.output;
    console.log(output?.slice(-3000));
  }
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
  console.log(`alone: ${total.alone.passed} passed, ${total.alone.failed} failed`);
  console.log(`under halfopen/auto: ${total.auto.passed} passed, ${total.auto.failed} failed`);
  console.log(`${watched} connections were watched`);
  process.exitCode = different > 0 || watched === 0 ? 1 : 0;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
