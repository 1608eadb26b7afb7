// The benches: `npm run bench` runs all of them, `npm run bench -- heap cpu` some. `--out FOLDER` says where the JSON goes.
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { parseArgs } from "node:util";

const BENCHES = {
  heap: () => import("./scale/heap.mjs"),
  cpu: () => import("./scale/cpu.mjs"),
  pauses: () => import("./scale/loop-pauses.mjs"),
  wheel: () => import("./wheel/wheel.mjs"),
  soak: () => import("./soak/soak.mjs"),
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { out: { type: "string", default: new URL("./results/", import.meta.url).pathname }, set: { type: "string", multiple: true } },
});
const wanted = positionals.length > 0 ? positionals : Object.keys(BENCHES);
const unknown = wanted.filter((name) => !Object.hasOwn(BENCHES, name));
if (unknown.length > 0) {
  console.error(`no bench is named ${unknown.join(", ")}; there are ${Object.keys(BENCHES).join(", ")}`);
  process.exit(2);
}
// --set connections=1000: overrides a default of the bench.
const settings = Object.fromEntries((values.set ?? []).map((text) => text.split("=")).map(([name, value]) => [name, JSON.parse(value)]));
mkdirSync(values.out, { recursive: true });
for (const name of wanted) {
  const bench = await BENCHES[name]();
  const started = performance.now();
  const result = await bench.measure(settings);
  const tookS = Math.round((performance.now() - started) / 1000);
  const machine = { cpu: cpus()[0]?.model ?? "unknown", cpus: cpus().length, kernel: release(), node: process.version };
  const report = { name, title: bench.title, method: bench.method, table: bench.table(result), tookS, machine, result };
  writeFileSync(`${values.out}/${name}.json`, `${JSON.stringify(report, null, 1)}\n`);
  console.log(`\n## ${bench.title}\n\n${bench.method}\n`);
  const first = Math.max(...report.table.map(([cell]) => cell.length)) + 2;
  for (const row of report.table)
    console.log(row.map((cell, i) => (i === 0 ? cell.padEnd(first) : cell.padStart(Math.max(12, report.table[0][i].length + 2)))).join(""));
}
