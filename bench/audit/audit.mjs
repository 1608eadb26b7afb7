// (f) The audit beside ss, at several numbers of sockets: audit-vs-ss.mjs, a process a number.
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const SCRIPT = fileURLToPath(new URL("./audit-vs-ss.mjs", import.meta.url));
const LINE = /^(?<name>.+?)\s+median\s+(?<ms>\d+) ms/;

export const title = "Audit beside ss";
export const method =
  "Wall time of whole processes, Node's start included where nothing else is said, for the same sockets in a network namespace of their own, in " +
  "turn; the median of the runs. Needs root.";

export async function measure({ sockets = [1000, 10_000, 50_000], runs = 5 } = {}) {
  const rows = [];
  for (const count of sockets) {
    const { stdout } = await promisify(execFile)(process.execPath, [SCRIPT, String(count), String(runs)]);
    const lines = stdout.split("\n").flatMap((line) => LINE.exec(line)?.groups ?? []);
    if (lines.length === 0) throw new Error(`${SCRIPT} printed no times: ${stdout}`);
    rows.push({ sockets: count, times: lines.map(({ name, ms }) => ({ name, ms: Number(ms) })) });
  }
  return { runs, rows };
}

export function table({ rows }) {
  const names = rows[0].times.map(({ name }) => name);
  return [
    ["", ...rows.flatMap(({ sockets }) => [`/ ss, ${sockets}`, `${sockets} sockets`])],
    ...names.map((name) => [
      name,
      ...rows.flatMap(({ times }) => {
        const { ms } = times.find((time) => time.name === name);
        return [(ms / times[0].ms).toFixed(2), `${ms} ms`];
      }),
    ]),
  ];
}

export function targets() {
  return [];
}
