// (f) The audit beside ss, at several numbers of sockets: audit-vs-ss.mjs, a process a number.
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const SCRIPT = fileURLToPath(new URL("./audit-vs-ss.mjs", import.meta.url));
const SYSCALLS = /^system calls of (?<name>.+): (?<calls>\d+)$/;
const PEAK = /^peak memory of halfopen audit: (\d+) MB$/m;
const SS = "ss -tieomnpH (owners)";
const AUDIT = "halfopen audit (owners, exact options)";
const JSON_AUDIT = "halfopen audit --json";
const BARE_SS = "ss -tieomnH (bare)";
const BARE_SURVEY = "bare survey, start excluded";
const LINE = /^(?<name>.+?)\s+median\s+(?<ms>\d+) ms/;

export const title = "Audit beside ss";
export const method =
  "Wall time of whole processes, Node's start included where nothing else is said, for the same sockets in a network namespace of their own, in " +
  "turn; the median of the runs. System calls of the whole process by strace, in a run of its own, up to 20,000 sockets. Needs root.";

export async function measure({ sockets = [1000, 10_000, 20_000, 100_000], runs = 5 } = {}) {
  const rows = [];
  for (const count of sockets) {
    const { stdout } = await promisify(execFile)(process.execPath, [
      SCRIPT,
      String(count),
      String(runs),
    ]);
    const lines = stdout.split("\n").flatMap((line) => LINE.exec(line)?.groups ?? []);
    if (lines.length === 0) throw new Error(`${SCRIPT} printed no times: ${stdout}`);
    const peakMb = Number(PEAK.exec(stdout)?.[1]);
    const counted = stdout.split("\n").flatMap((line) => SYSCALLS.exec(line)?.groups ?? []);
    const syscalls = Object.fromEntries(counted.map(({ name, calls }) => [name, Number(calls)]));
    rows.push({
      sockets: count,
      peakMb,
      times: lines.map(({ name, ms }) => ({
        name,
        ms: Number(ms),
        syscalls: syscalls[name] ?? null,
      })),
    });
  }
  return { runs, rows };
}

export function table({ rows }) {
  const names = rows[0].times.map(({ name }) => name);
  return [
    [
      "",
      ...rows.flatMap(({ sockets }) => [`/ ss, ${sockets}`, `${sockets} sockets`, "system calls"]),
    ],
    ...names.map((name) => [
      name,
      ...rows.flatMap(({ times }) => {
        const { ms, syscalls } = times.find((time) => time.name === name);
        return [(ms / times[0].ms).toFixed(2), `${ms} ms`, syscalls === null ? "" : `${syscalls}`];
      }),
    ]),
  ];
}

export function targets({ rows }) {
  return rows.flatMap(({ sockets, peakMb, times }) => {
    const ratio = (a, b) =>
      times.find(({ name }) => name === a).ms / times.find(({ name }) => name === b).ms;
    const target = (what, value, most) => ({
      what: `${what}, ${sockets} sockets`,
      measured: value.toFixed(2),
      target: `<= ${most}`,
      isMet: value <= most,
    });
    const bare = target("bare survey / ss -tieomnH", ratio(BARE_SURVEY, BARE_SS), 0.5);
    if (sockets < 20_000) return [];
    const json = target("audit --json / audit", ratio(JSON_AUDIT, AUDIT), 1.1);
    if (sockets < 100_000)
      return [target("audit / ss -tieomnpH", ratio(AUDIT, SS), 1.7), json, bare];
    const memory = {
      what: `audit's peak memory, ${sockets} sockets`,
      measured: `${peakMb} MB`,
      target: "<= 300 MB",
      isMet: peakMb <= 300,
    };
    return [target("audit / ss -tieomnpH", ratio(AUDIT, SS), 0.75), memory, bare];
  });
}
