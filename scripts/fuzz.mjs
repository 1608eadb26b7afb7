// Runs the fuzzer of conditions (test/fuzz/README.md):
//   node scripts/fuzz.mjs [--worlds N] [--seed N] [--workers N] [--json]
//   node scripts/fuzz.mjs --seed N --worlds 1 --told      one world, and all that was said of it
//   node scripts/fuzz.mjs --real N [--at-once N] [--seed N]   in real namespaces; needs a build
//   node scripts/fuzz.mjs --file test/fuzz/finds.json      the worlds that once broke a promise
//   node scripts/fuzz.mjs --world '{...}' [--shrink]       a world by its description
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { rolldown } from "rolldown";

const root = fileURLToPath(new URL("..", import.meta.url));
/** Worlds that a worker runs before it reports. */
const CHUNK = 500;
/** So many findings of a kind are shrunk. */
const MOST_SHRUNK = 5;

const { values } = parseArgs({
  options: {
    worlds: { type: "string", default: "20000" },
    seed: { type: "string", default: `${Date.now() % 1_000_000_000}` },
    workers: { type: "string", default: "1" },
    real: { type: "string" },
    "at-once": { type: "string", default: "12" },
    file: { type: "string" },
    world: { type: "string" },
    shrink: { type: "boolean", default: false },
    told: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});

const folder = mkdtempSync(join(tmpdir(), "halfopen-fuzz-"));
try {
  process.exitCode = await main();
} finally {
  rmSync(folder, { recursive: true });
}

async function main() {
  const product = await bundled("src/watch/watch.ts", "product.mjs");
  const worker = await bundled("test/fuzz/worker.ts", "worker.mjs");
  const { drawWorld } = await import(
    pathToFileURL(await bundled("test/fuzz/draw-world.ts", "draw.mjs")).href
  );
  const { mostOf } = await import(
    pathToFileURL(await bundled("test/fuzz/after-outage.ts", "after-outage.mjs")).href
  );
  const threads = await Promise.all(
    Array.from({ length: Number(values.workers) }, () =>
      threadOf(worker, pathToFileURL(product).href),
    ),
  );
  try {
    if (values.real) return await real(threads[0]);
    if (values.file) return await all(threads[0], JSON.parse(readFileSync(values.file, "utf8")));
    if (values.world) return await one(threads[0], JSON.parse(values.world));
    if (values.told) return await one(threads[0], drawWorld(Number(values.seed)));
    return await many(threads, drawWorld, mostOf);
  } finally {
    await Promise.all(threads.map((thread) => thread.end()));
  }
}

async function one(thread, world) {
  console.log(JSON.stringify(world));
  const { run, findings } = await thread.ask({ do: "world", world });
  for (const life of run?.lives ?? []) {
    for (const { atMs, event, ...word } of life.words)
      if (event !== "now" || values.told)
        console.log(`${Math.round(atMs)}`.padStart(7), event.padEnd(8), JSON.stringify(word));
    console.log(JSON.stringify({ ...life, words: undefined, lostAt: life.lostAt.map(Math.round) }));
  }
  for (const finding of findings)
    console.log(`${finding.kind}: connection ${finding.on}, ${finding.what}`);
  if (values.shrink)
    for (const { kind } of findings)
      console.log(`smallest: ${JSON.stringify(await thread.ask({ do: "shrink", world, kind }))}`);
  return findings.length > 0 ? 1 : 0;
}

async function all(thread, finds) {
  const findings = [];
  for (const { what, world } of finds)
    for (const finding of (await thread.ask({ do: "world", world })).findings)
      findings.push({ find: what, ...finding, world });
  console.log(JSON.stringify({ worlds: finds.length, findings }));
  return findings.length > 0 ? 1 : 0;
}

async function many(threads, drawWorld, mostOf) {
  const [first, worlds] = [Number(values.seed), Number(values.worlds)];
  const startedAt = performance.now();
  const total = {
    worlds: 0,
    connections: 0,
    virtualMs: 0,
    gone: 0,
    found: 0,
    suspicions: 0,
    beyondPromise: 0,
    killedAfterOutage: 0,
    expectedAfterOutage: 0,
  };
  const findings = [];
  let next = first;
  await Promise.all(
    threads.map(async (thread) => {
      while (next < first + worlds) {
        const from = next;
        next += CHUNK;
        const tally = await thread.ask({
          do: "seeds",
          from,
          count: Math.min(CHUNK, first + worlds - from),
        });
        for (const name of Object.keys(total)) total[name] += tally[name];
        findings.push(...tally.findings);
      }
    }),
  );
  const seconds = (performance.now() - startedAt) / 1000;
  const most = mostOf(total.expectedAfterOutage);
  if (total.killedAfterOutage > most)
    findings.push({
      kind: "rate",
      what: `${total.killedAfterOutage} live peers were called dead after an outage, expected are ${most} at most`,
      seed: first,
    });
  const shrunk = [];
  const perKind = {};
  for (const finding of findings) {
    perKind[finding.kind] = (perKind[finding.kind] ?? 0) + 1;
    if (perKind[finding.kind] > MOST_SHRUNK || finding.kind === "rate") continue;
    const world = await threads[0].ask({
      do: "shrink",
      world: drawWorld(finding.seed),
      kind: finding.kind,
    });
    const again = await threads[0].ask({ do: "world", world });
    shrunk.push({
      seed: finding.seed,
      kind: finding.kind,
      world,
      what: again.findings.map((it) => it.what).join("; "),
    });
  }
  const result = {
    seeds: [first, first + worlds - 1],
    seconds,
    worldsPerSecond: Math.round(worlds / seconds),
    virtualHours: total.virtualMs / 3_600_000,
    ...total,
    findings,
    shrunk,
  };
  if (values.json) console.log(JSON.stringify(result));
  else print(result, perKind);
  return findings.length > 0 ? 1 : 0;
}

/** Plays worlds in real namespaces, many side by side: they mostly wait. */
async function real(thread) {
  const oracle = await import(pathToFileURL(await bundled("test/fuzz/real.ts", "real.mjs")).href);
  const { runReal } = await import("../test/fuzz/run-real.mjs");
  const { World } = await import("../dist/lab/world.js");
  const first = Number(values.seed);
  const given = values.world ? [JSON.parse(values.world)] : null;
  const count = given ? given.length : Number(values.real);
  const startedAt = performance.now();
  const [findings, total] = [
    [],
    { worlds: 0, connections: 0, gone: 0, found: 0, suspicions: 0, unplayed: 0 },
  ];
  const machine = await World.open();
  try {
    let next = 0;
    const play = async () => {
      while (next < count) {
        const seed = first + next;
        const drawn = given ? given[next] : oracle.drawWorld(seed, true);
        next++;
        const { run: model } = await thread.ask({ do: "world", world: drawn });
        const world = {
          ...drawn,
          leastAnswerGapMs: model?.lives.map(({ atTheEnd }) => atTheEnd?.leastAnswerGapMs),
        };
        try {
          const run = await runReal(machine, world, oracle);
          if (values.told)
            appendFileSync(
              join(tmpdir(), `fuzz-real-${first}.jsonl`),
              `${JSON.stringify({ seed, world, run })}\n`,
            );
          addReal(total, run);
          for (const finding of oracle.findingsIn(world, run)) {
            findings.push({ ...finding, seed, world: drawn });
            if (!values.json)
              console.log(
                `seed ${seed} ${finding.kind}: ${finding.what}\n  ${JSON.stringify(drawn)}`,
              );
          }
        } catch (error) {
          total.unplayed++;
          findings.push({
            kind: "threw",
            on: 0,
            atMs: 0,
            what: String(error.stack ?? error),
            chance: 0,
            seed,
            world: drawn,
          });
          if (!values.json) console.log(`seed ${seed} threw: ${error.stack ?? error}`);
        }
      }
    };
    await Promise.all(Array.from({ length: Number(values["at-once"]) }, play));
  } finally {
    await machine.close();
  }
  const seconds = (performance.now() - startedAt) / 1000;
  const result = { seeds: [first, first + count - 1], seconds, ...total, findings };
  if (values.json) console.log(JSON.stringify(result));
  else
    console.log(
      `seeds ${result.seeds.join(" to ")}: ${total.worlds} real worlds, ${total.connections} connections in ${seconds.toFixed(0)} s; ${total.suspicions} suspicions; ${total.gone} peers gone, ${total.found} found; ${findings.length} findings`,
    );
  return findings.length > 0 ? 1 : 0;
}

function addReal(total, { lives }) {
  total.worlds++;
  for (const { words, endedAtMs, atTheEnd } of lives) {
    total.connections++;
    if (atTheEnd) total.gone++;
    if (atTheEnd && Number.isFinite(endedAtMs)) total.found++;
    total.suspicions += words.filter(({ event }) => event === "suspect").length;
  }
}

function print(
  { seeds, seconds, worldsPerSecond, virtualHours, findings, shrunk, ...total },
  perKind,
) {
  console.log(
    `seeds ${seeds[0]} to ${seeds[1]}: ${total.worlds} worlds, ${total.connections} connections, ${virtualHours.toFixed(0)} connection-hours in ${seconds.toFixed(0)} s (${worldsPerSecond} worlds/s)`,
  );
  console.log(
    `${total.suspicions} suspicions; ${total.gone} peers gone, ${total.found} found; ${total.beyondPromise} live peers called dead where nothing is promised`,
  );
  console.log(
    `${total.killedAfterOutage} live peers called dead since loss took all that outlasts an outage; ${total.expectedAfterOutage.toFixed(1)} are expected`,
  );
  console.log(`findings: ${JSON.stringify(perKind)}`);
  for (const { seed, kind, world, what } of shrunk)
    console.log(
      `\n${kind} (seed ${seed}): ${what}\n  node scripts/fuzz.mjs --world '${JSON.stringify(world)}'`,
    );
  for (const { seed, kind, what, chance } of findings.slice(0, 40))
    console.log(
      `seed ${seed} ${kind}${chance ? ` (chance ${chance.toExponential(1)})` : ""}: ${what}`,
    );
}

/** Bundles a file, with the kernel's model in place of the port to the system. */
async function bundled(entry, name) {
  const bundle = await rolldown({
    input: join(root, entry),
    platform: "node",
    external: [/^#koffi/, /^@koromix\//],
    plugins: [
      {
        name: "modelled-port",
        resolveId: (specifier) =>
          specifier.endsWith("/open-port.ts") ? join(root, "test/fuzz/modelled-port.ts") : null,
      },
    ],
  });
  const file = join(folder, name);
  await bundle.write({ file, format: "esm", codeSplitting: false });
  await bundle.close();
  return file;
}

async function threadOf(file, product) {
  const worker = new Worker(file, { workerData: { product } });
  const waiting = [];
  worker.on("message", (message) => waiting.shift()?.resolve(message));
  worker.on("error", (error) => {
    for (const { reject } of waiting.splice(0)) reject(error);
  });
  const answer = () => new Promise((resolve, reject) => waiting.push({ resolve, reject }));
  await answer();
  return {
    ask(task) {
      worker.postMessage(task);
      return answer();
    },
    end: () => worker.terminate(),
  };
}
