// The benches: `npm run bench` runs all of them, `npm run bench -- heap cpu` some. `--out FOLDER`
// says where the JSON and RESULTS.md go.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { machine } from "./machine.mjs";
import { wordFor, writePage } from "./page.mjs";

const BENCHES = {
  start: () => import("./start/start.mjs"),
  heap: () => import("./scale/heap.mjs"),
  cpu: () => import("./scale/cpu.mjs"),
  quick: () => import("./scale/quick.mjs"),
  growth: () => import("./scale/growth.mjs"),
  pauses: () => import("./scale/loop-pauses.mjs"),
  cost: () => import("./options/cost.mjs"),
  wheel: () => import("./wheel/wheel.mjs"),
  audit: () => import("./audit/audit.mjs"),
  guard: () => import("./audit/guard-cost.mjs"),
  detection: () => import("./soak/detection.mjs"),
  soak: () => import("./soak/soak.mjs"),
  loss: () => import("./loss/loss.mjs"),
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    out: { type: "string", default: fileURLToPath(new URL(".", import.meta.url)) },
    set: { type: "string", multiple: true },
  },
});
const wanted = positionals.length > 0 ? positionals : Object.keys(BENCHES);
const unknown = wanted.filter((name) => !Object.hasOwn(BENCHES, name));
if (unknown.length > 0) {
  console.error(
    `no bench is named ${unknown.join(", ")}; there are ${Object.keys(BENCHES).join(", ")}`,
  );
  process.exit(2);
}
// --set connections=1000: overrides a default of the bench.
const settings = Object.fromEntries(
  (values.set ?? [])
    .map((text) => text.split("="))
    .map(([name, value]) => [name, JSON.parse(value)]),
);
const folder = join(values.out, "results");
mkdirSync(folder, { recursive: true });
for (const name of wanted) {
  const bench = await BENCHES[name]();
  const started = performance.now();
  const result = await bench.measure(settings);
  const tookS = Math.round((performance.now() - started) / 1000);
  const { title, method } = bench;
  const command = [
    "npm run bench --",
    name,
    ...(values.set ?? []).map((text) => `--set ${text}`),
  ].join(" ");
  const report = {
    name,
    title,
    method,
    command,
    tookS,
    machine,
    targets: bench.targets(result),
    table: bench.table(result),
    result,
  };
  const text = JSON.stringify(report, null, 1).replace(/\[[-\d.,\s]+\]/g, (numbers) =>
    numbers.replace(/\s+/g, " "),
  );
  writeFileSync(join(folder, `${name}.json`), `${text}\n`);
  console.log(`\n## ${title}\n\n${method}\n`);
  print(report.table);
  if (report.targets.length > 0)
    print([["target", "measured", "wanted", ""], ...report.targets.map(targetRow)]);
  // Behind each bench: a later one may be interrupted.
  writePage(folder, Object.keys(BENCHES), join(values.out, "RESULTS.md"));
}

function targetRow({ what, measured, target, isMet }) {
  return [what, measured, target, wordFor(isMet)];
}

function print(table) {
  const widths = table[0].map((_, i) => Math.max(...table.map((row) => (row[i] ?? "").length)));
  for (const row of table)
    console.log(
      row
        .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart((widths[i] ?? 6) + 2)))
        .join(""),
    );
  console.log();
}
