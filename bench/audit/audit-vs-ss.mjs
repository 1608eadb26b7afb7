// How long `halfopen audit` takes beside `ss`, for the same sockets in the same run. Needs root,
// util-linux, iproute2 and `npm run build`.
//   node bench/audit/audit-vs-ss.mjs [SOCKETS] [RUNS] [new-memory]
// The sockets live in a network namespace of their own, at most 19,000 in a process, the processes
// in a pid namespace of their own: both programs search every process that they see, and shall not
// see whatever else this machine runs. ss is entered by nsenter: under `ip netns exec` it cannot
// see cgroups and is 20 times slower. The median of the runs counts; the order within a run
// changes. `new-memory`: each program finds only memory that this machine never used, see
// new-memory.mjs.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { cpus, release } from "node:os";
import { fileURLToPath } from "node:url";
import { countSyscallsOf } from "../scale/syscalls.mjs";

const OUTSIDE = "HALFOPEN_BENCH_PID";
if (!process.env[OUTSIDE]) {
  const again = ["--pid", "--fork", "--mount-proc", process.execPath, ...process.argv.slice(1)];
  const { status } = spawnSync("unshare", again, {
    stdio: "inherit",
    env: { ...process.env, [OUTSIDE]: String(process.pid) },
  });
  process.exit(status ?? 1);
}

const sockets = Number(process.argv[2] ?? 20_000);
const runs = Number(process.argv[3] ?? 5);
const isMemoryNew = process.argv[4] === "new-memory";
const MOST_IN_A_PROCESS = 19_000;
/** strace takes a thousand times as long as what it counts. */
const MOST_COUNTED = 20_000;
const NAMESPACE = `halfopen-bench-${process.env[OUTSIDE]}`;
const file = (path) => fileURLToPath(new URL(path, import.meta.url));
const main = file("../../dist/cli/main.js");
const inside = ["nsenter", `--net=/run/netns/${NAMESPACE}`, "--"];

const SUBJECTS = {
  "ss -tieomnpH (owners)": ["ss", "-tieomnpH"],
  "halfopen audit (owners, exact options)": [process.execPath, main, "audit"],
  "halfopen audit --json": [process.execPath, main, "audit", "--json"],
  "ss -tieomnH (bare)": ["ss", "-tieomnH"],
  "bare survey, start excluded": [process.execPath, file("./survey.mjs")],
  "node, nothing": [process.execPath, "-e", "0"],
};

execFileSync("ip", ["netns", "add", NAMESPACE]);
const children = [];
try {
  execFileSync("ip", ["-n", NAMESPACE, "link", "set", "lo", "up"]);
  for (let left = sockets; left > 0; left -= MOST_IN_A_PROCESS) {
    const pairs = Math.ceil(Math.min(left, MOST_IN_A_PROCESS) / 2);
    const child = spawn(
      inside[0],
      [...inside.slice(1), process.execPath, file("./fill.mjs"), String(pairs)],
      {
        stdio: ["pipe", "pipe", "inherit"],
      },
    );
    children.push(child);
    await once(child.stdout, "data");
  }
  report(await measure());
  if (sockets <= MOST_COUNTED) await reportSyscalls();
} finally {
  for (const child of children) child.stdin.end();
  await Promise.all(
    children.map((child) => (child.exitCode === null ? once(child, "exit") : null)),
  );
  execFileSync("ip", ["netns", "del", NAMESPACE]);
}

async function measure() {
  const memory = isMemoryNew
    ? spawn(process.execPath, [file("./new-memory.mjs")], { stdio: ["pipe", "pipe", "inherit"] })
    : null;
  const results = new Map(Object.keys(SUBJECTS).map((name) => [name, []]));
  const names = Object.keys(SUBJECTS);
  for (let run = 0; run < runs; run++) {
    for (let i = 0; i < names.length; i++) {
      const name = names[(i + run) % names.length];
      if (memory) await takeUsed(memory);
      results.get(name).push(timeOf(SUBJECTS[name]));
    }
  }
  memory?.stdin.end();
  return results;
}

async function takeUsed(memory) {
  memory.stdin.write("\n");
  const [answer] = await once(memory.stdout, "data");
  if (String(answer).trim() === "none")
    throw new Error("no memory of this machine costs more when it is new, or too little is free");
}

/** Wall time of the whole process in ms. */
function timeOf(argv) {
  const sink = openSync("/dev/null", "w");
  const started = performance.now();
  const { stderr, status } = spawnSync(inside[0], [...inside.slice(1), ...argv], {
    stdio: ["ignore", sink, "pipe"],
    encoding: "utf8",
  });
  const wallMs = performance.now() - started;
  closeSync(sink);
  if (status > 1) throw new Error(`${argv.join(" ")} failed: ${stderr}`);
  // survey.mjs says on standard error what it took without Node's start.
  return stderr.startsWith("took ") ? Number(stderr.slice(5)) : wallMs;
}

/** Of a run of its own, so that asking costs the timed ones nothing. */
function peakMb() {
  const tell =
    'data:text/javascript,process.on("exit",()=>console.error(process.resourceUsage().maxRSS))';
  const argv = [...inside.slice(1), process.execPath, "--import", tell, main, "audit"];
  const { stderr } = spawnSync(inside[0], argv, {
    stdio: ["ignore", "ignore", "pipe"],
    encoding: "utf8",
  });
  return Math.round(Number(stderr) / 1024);
}

/** Of a run of its own each; nothing where there is no strace. */
async function reportSyscalls() {
  for (const [name, argv] of Object.entries(SUBJECTS)) {
    const counts = await countSyscallsOf([...inside, ...argv]);
    if (counts !== null) console.log(`system calls of ${name}: ${counts.total}`);
  }
}

function report(results) {
  console.log(
    `${sockets} sockets, ${runs} runs, ${cpus().length} CPUs (${cpus()[0].model}), Linux ${release()}, Node ${process.versions.node}\n`,
  );
  const medians = new Map();
  for (const [name, times] of results) {
    times.sort((a, b) => a - b);
    medians.set(name, times[Math.floor(times.length / 2)]);
    console.log(
      `${name.padEnd(40)} median ${medians.get(name).toFixed(0).padStart(6)} ms   ${times[0].toFixed(0)} to ${times.at(-1).toFixed(0)}`,
    );
  }
  console.log(`\npeak memory of halfopen audit: ${peakMb()} MB`);
  const ratio = (a, b) => (medians.get(a) / medians.get(b)).toFixed(2);
  console.log(
    `audit / ss -p: ${ratio("halfopen audit (owners, exact options)", "ss -tieomnpH (owners)")}`,
  );
  console.log(
    `bare survey / ss without owners: ${ratio("bare survey, start excluded", "ss -tieomnH (bare)")}`,
  );
}
