// (e) The timer wheel beside Node's timers: a million deadlines, each set and then moved, as a
// keepalive of a million connections does.
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { median } from "../scale/statistics.mjs";

const SUBJECTS = {
  touch: "each entry read and written, no wheel (floor)",
  wheel: "halfopen's wheel",
  wheelEarlier: "halfopen's wheel, made earlier",
  refresh: "refresh()",
  rearm: "clearTimeout and setTimeout",
  rearmSame: "the same, one duration for all",
};

const MOST_NS = 60;
const ORDERS = ["in order", "shuffled"];

export const title = "Timer wheel";
export const method =
  "A process each, compiled on 20,000 entries beforehand: deadlines up to 60 s away are set, then each is moved, in the order in which they were set " +
  "and in a random one, where fetching the entry from memory is nearly all. Wall time an entry, the median of the runs. " +
  "Node keeps one list a duration, so it is given as many durations as there are milliseconds, and once the same for all.";

export async function measure({ entries = 1_000_000, runs = 5 } = {}) {
  const rows = ORDERS.flatMap((order) =>
    Object.keys(SUBJECTS).map((name) => ({ name, order, times: [] })),
  );
  for (let run = 0; run < runs; run++)
    for (const { name, order, times } of rows) times.push(timesOf(name, order, entries));
  return { entries, runs, rows: rows.map((row) => ({ ...row, ...medians(row.times) })) };
}

function medians(own) {
  return {
    insertNs: median(own.map(({ insertNs }) => insertNs)),
    moveNs: median(own.map(({ moveNs }) => moveNs)),
    bothNs: median(own.map(({ insertNs, moveNs }) => insertNs + moveNs)),
  };
}

function timesOf(name, order, entries) {
  const script = fileURLToPath(new URL("./wheel-subject.mjs", import.meta.url));
  return JSON.parse(
    execFileSync(
      process.execPath,
      ["--expose-gc", "--max-old-space-size=4096", script, name, order, String(entries)],
      {
        encoding: "utf8",
      },
    ),
  );
}

export function table({ rows }) {
  return [
    ["", "both / wheel", "insert + move", "insert", "move"],
    ...rows.map(({ name, order, insertNs, moveNs, bothNs }) => [
      `${SUBJECTS[name]}, ${order}`,
      (bothNs / rows.find((row) => row.order === order && row.name === "wheel").bothNs).toFixed(1),
      `${bothNs.toFixed(0)} ns`,
      `${insertNs.toFixed(0)} ns`,
      `${moveNs.toFixed(0)} ns`,
    ]),
  ];
}

export function targets({ rows }) {
  const find = (name, order) => rows.find((row) => row.name === name && row.order === order).bothNs;
  const target = (what, ns) => ({
    what,
    measured: `${ns.toFixed(0)} ns`,
    target: `<= ${MOST_NS} ns`,
    isMet: ns <= MOST_NS,
  });
  return [
    target("insert and move of an entry, in order", find("wheel", "in order")),
    target(
      "the same, shuffled, beyond reading and writing each entry",
      find("wheel", "shuffled") - find("touch", "shuffled"),
    ),
  ];
}
