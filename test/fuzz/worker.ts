import { parentPort, workerData } from "node:worker_threads";
import { ModelPort } from "../watch/model-port.ts";
import { expectedAfterOutage } from "./after-outage.ts";
import { drawWorld } from "./draw-world.ts";
import { type Finding, findingsIn } from "./findings.ts";
import { promisedUntil } from "./promise.ts";
import type { Run } from "./run.ts";
import { ModelProcess } from "./run-model.ts";
import { shrink } from "./shrink.ts";
import { VirtualTime } from "./virtual-time.ts";
import { goneAt, type World } from "./world.ts";

/**
 * A thread that runs worlds of the model: those of `count` seeds from `from` on, or one that is
 * given. Each message is answered by one.
 */
export type Task =
  | { readonly do: "seeds"; readonly from: number; readonly count: number }
  | { readonly do: "world"; readonly world: World }
  | { readonly do: "shrink"; readonly world: World; readonly kind: Finding["kind"] };

/** What came of the worlds of some seeds. */
export interface Tally {
  worlds: number;
  connections: number;
  /** Virtual time that was lived through. */
  virtualMs: number;
  /** Peers that died, of those the ones that have to be found, and the ones that were. */
  gone: number;
  found: number;
  suspicions: number;
  /** Live peers called dead where nothing is promised. */
  beyondPromise: number;
  /** Live peers called dead since loss took all that outlasts an outage, and how many are expected. */
  killedAfterOutage: number;
  expectedAfterOutage: number;
  readonly findings: (Finding & { readonly seed: number })[];
}

const time = new VirtualTime();
time.install();
const ports = { capped: new ModelPort(true), uncapped: new ModelPort(false) };
Object.assign(globalThis, { fuzzPorts: ports });
const [capped, uncapped] = await Promise.all([processOf("capped"), processOf("uncapped")]);

async function processOf(kernel: keyof typeof ports): Promise<ModelProcess> {
  const { watch } = await import(`${workerData.product}?kernel=${kernel}`);
  return new ModelProcess(time, ports[kernel], watch);
}

async function played(world: World): Promise<{ run: Run | null; findings: Finding[] }> {
  try {
    const run = await (world.hasRtoCap ? capped : uncapped).run(world);
    return { run, findings: findingsIn(world, run) };
  } catch (error) {
    const what = String((error as Error).stack ?? error);
    return { run: null, findings: [{ kind: "threw", on: 0, atMs: 0, what, chance: 0 }] };
  }
}

async function runSeeds(from: number, count: number): Promise<Tally> {
  const tally: Tally = {
    worlds: count,
    connections: 0,
    virtualMs: 0,
    gone: 0,
    found: 0,
    suspicions: 0,
    beyondPromise: 0,
    killedAfterOutage: 0,
    expectedAfterOutage: 0,
    findings: [],
  };
  for (let seed = from; seed < from + count; seed++) {
    const world = drawWorld(seed);
    const { run, findings } = await played(world);
    for (const finding of findings)
      if (finding.kind === "killed-after-outage") tally.killedAfterOutage++;
      else tally.findings.push({ ...finding, seed });
    if (run) addTo(tally, world, run);
  }
  return tally;
}

function addTo(tally: Tally, world: World, run: Run): void {
  for (const [on, life] of run.lives.entries()) {
    const { endedAtMs, words, atTheEnd } = life;
    tally.expectedAfterOutage += expectedAfterOutage(world, life, on);
    const endedAt = endedAtMs ?? Number.POSITIVE_INFINITY;
    tally.connections++;
    tally.virtualMs += Math.min(endedAt, world.forMs);
    if (atTheEnd) tally.gone++;
    if (atTheEnd && endedAt < Number.POSITIVE_INFINITY) tally.found++;
    tally.suspicions += words.filter(({ event }) => event === "suspect").length;
    if (endedAt < goneAt(world, on) && endedAt >= promisedUntil(world, on)) tally.beyondPromise++;
  }
}

async function answer(task: Task): Promise<unknown> {
  if (task.do === "seeds") return runSeeds(task.from, task.count);
  if (task.do === "world") return { world: task.world, ...(await played(task.world)) };
  return shrink(task.world, async (world) => {
    const { findings } = await played(world);
    return findings.some(({ kind }) => kind === task.kind);
  });
}

parentPort?.on("message", async (task: Task) => parentPort?.postMessage(await answer(task)));
parentPort?.postMessage("ready");
