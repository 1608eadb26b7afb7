// What halfopen adds to the start of a program: `npm run bench -- start`.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { median } from "../scale/statistics.mjs";

const built = (path) => fileURLToPath(new URL(`../../dist/${path}`, import.meta.url));
const NOTHING = ["-e", "0"];
const STARTS = {
  "Node alone": NOTHING,
  "Node with net and tls": ["-e", 'require("net"); require("tls")'],
  "halfopen/auto": ["--import", built("auto/index.js"), ...NOTHING],
  halfopen: ["--import", built("index.js"), ...NOTHING],
  "halfopen --version": [built("cli/main.js"), "--version"],
  "halfopen plan": [built("cli/main.js"), "plan", "--detect-within", "10s"],
  "halfopen audit": [built("cli/main.js"), "audit"],
};

export const title = "The start of a program";
export const method =
  "Processor time of a whole process, median of the runs; the starts take turns. Of `audit` on a machine with few connections.";

/** Returns ms by start. */
export function measure({ runs = 15 } = {}) {
  const taken = Object.fromEntries(Object.keys(STARTS).map((name) => [name, []]));
  for (let i = 0; i < runs; i++)
    for (const [name, args] of Object.entries(STARTS)) taken[name].push(processorMs(args));
  return { runs, ms: Object.fromEntries(Object.entries(taken).map(([k, v]) => [k, median(v)])) };
}

export function targets({ ms }) {
  const share = (ms["halfopen/auto"] - ms["Node with net and tls"]) / ms["Node alone"];
  return [
    {
      what: "what halfopen/auto adds / Node's own start",
      measured: share.toFixed(2),
      target: "<= 1",
      isMet: share <= 1,
    },
  ];
}

export function table({ ms }) {
  const rows = Object.entries(ms).map(([name, value]) => [name, `${value.toFixed(0)} ms`]);
  return [["start", "processor time"], ...rows];
}

/** The shell knows what its children took. */
function processorMs(args) {
  const script = 'TIMEFORMAT="%3U %3S"; time "$@" > /dev/null';
  const command = ["-c", script, "bash", process.execPath, ...args];
  const { status, stderr } = spawnSync("bash", command, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${args.join(" ")}: ${stderr}`);
  const [user, system] = stderr.trim().split("\n").at(-1).split(" ").map(Number);
  return 1000 * (user + system);
}
