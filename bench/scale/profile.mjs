// Where the time and the memory of a mechanism go: hot functions by self time, and the heap of a
// connection by constructor.
//   node bench/scale/profile.mjs [MECHANISM] [CONNECTIONS]
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { MECHANISMS, SETTLED_AFTER_MS } from "./mechanisms.mjs";
import { withPopulation } from "./population.mjs";

const [mechanism = "watchServer", connections = "8000"] = process.argv.slice(2);
const count = Number(connections);
const PROFILED_MS = 15_000;
const SHOWN = 25;
const folder = mkdtempSync(join(tmpdir(), "halfopen-profile-"));
try {
  await hotFunctions();
  await heapByConstructor();
} finally {
  rmSync(folder, { recursive: true });
}

async function hotFunctions() {
  const profile = await withPopulation(mechanism, async (population) => {
    await population.connect(count);
    await population.ask("heap");
    await sleep(SETTLED_AFTER_MS);
    return await population.ask("profile", PROFILED_MS);
  });
  const selfUs = new Map();
  const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]));
  profile.samples.forEach((id, i) => {
    const { functionName, url, lineNumber } = frames.get(id);
    const name = `${functionName || "(anonymous)"} ${url ? `${basename(url)}:${lineNumber + 1}` : ""}`;
    selfUs.set(name, (selfUs.get(name) ?? 0) + profile.timeDeltas[i]);
  });
  // `dispatch` is the profiler's own.
  for (const name of ["(idle) ", "dispatch "]) selfUs.delete(name);
  const total = [...selfUs.values()].reduce((sum, us) => sum + us, 0);
  console.log(
    `${mechanism}, ${count} connections: ${(total / count / (PROFILED_MS / 1000)).toFixed(2)} us per connection and second (profiled)`,
  );
  for (const [name, us] of [...selfUs].sort((a, b) => b[1] - a[1]).slice(0, SHOWN))
    console.log(`${((100 * us) / total).toFixed(1).padStart(6)} %  ${name}`);
}

async function heapByConstructor() {
  const [own, base] = [await heapOf(mechanism), await heapOf(MECHANISMS[mechanism].base)];
  const rows = [...own].map(([name, { bytes, objects }]) => ({
    name,
    bytes: (bytes - (base.get(name)?.bytes ?? 0)) / count,
    objects: (objects - (base.get(name)?.objects ?? 0)) / count,
  }));
  console.log(
    `\nheap of a connection beyond ${MECHANISMS[mechanism].base}: ${rows.reduce((sum, { bytes }) => sum + bytes, 0).toFixed(0)} bytes, by constructor`,
  );
  for (const { name, bytes, objects } of rows.sort((a, b) => b.bytes - a.bytes).slice(0, SHOWN))
    console.log(
      `${bytes.toFixed(0).padStart(6)} B  ${objects.toFixed(2).padStart(6)} objects  ${name}`,
    );
}

/** Bytes and objects by constructor; system objects by kind and name. */
async function heapOf(name) {
  const path = join(folder, `${name}.heapsnapshot`);
  await withPopulation(name, async (population) => {
    await population.connect(count);
    await sleep(SETTLED_AFTER_MS);
    await population.ask("heap");
    await population.ask("snapshot", path);
  });
  const { snapshot, nodes, strings } = JSON.parse(readFileSync(path, "utf8"));
  rmSync(path);
  const fields = snapshot.meta.node_fields;
  const [type, named, size] = ["type", "name", "self_size"].map((field) => fields.indexOf(field));
  const types = snapshot.meta.node_types[type];
  const sums = new Map();
  for (let i = 0; i < nodes.length; i += fields.length) {
    const kind = types[nodes[i + type]];
    const label =
      kind === "object" || kind === "closure" || kind === "hidden" || kind === "array"
        ? `${kind} ${strings[nodes[i + named]]}`
        : kind;
    const sum = sums.get(label) ?? { bytes: 0, objects: 0 };
    sum.bytes += nodes[i + size];
    sum.objects++;
    sums.set(label, sum);
  }
  return sums;
}
