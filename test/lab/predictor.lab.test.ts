import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { predict } from "../../src/core/forecast/predict.ts";
import type { DetectionTime } from "../../src/core/forecast/prediction.ts";
import type { SubjectTimers } from "../../src/lab/mechanisms.ts";
import { agrees } from "../../src/lab/predicted.ts";
import { monotonicMs } from "../../src/lab/run-fault.ts";
import type { SubjectConnection, Traffic } from "../../src/lab/subject-messages.ts";
import { World } from "../../src/lab/world.ts";
import { seededRandom } from "../../src/testing/seeded-random.ts";
import { describeWith } from "../setup/requires.ts";
import { longOrShort } from "../setup/run-length.ts";
import { startWatchedProgram } from "./watched-program.ts";

const SEED = Number(process.env.HALFOPEN_SEED ?? longOrShort(Date.now() % 1_000_000, 20_261_123));
/** Only cells whose worst case lies within this time are run. */
const OBSERVED_MS = 32_000;
const CELLS_EACH = 24;

type Faulty = "cable" | "crash" | "blocked";

interface Cell {
  readonly connection: SubjectConnection;
  readonly predicted: DetectionTime;
}

function whole(random: () => number, smallest: number, largest: number): number {
  return smallest + Math.floor(random() * (largest - smallest + 1));
}

/**
 * Draws settings, usual and odd ones; each of the three mechanisms is there or not.
 */
function randomTimers(random: () => number): SubjectTimers {
  const keepalive = {
    idleMs: 1000 * whole(random, 1, 8),
    intervalMs: 1000 * whole(random, 1, 4),
    count: whole(random, 1, 6),
  };
  return {
    ...(random() < 0.7 ? { keepalive } : {}),
    ...(random() < 0.5 ? { userTimeoutMs: whole(random, 500, 15_000) } : {}),
    ...(random() < 0.5 ? { rtoMaxMs: whole(random, 1000, 1600) } : {}),
  };
}

/** Draws `count` cells whose worst case lies within the observation. */
function draw(random: () => number, fault: Faulty, traffic: Traffic, count: number): Cell[] {
  const cells: Cell[] = [];
  while (cells.length < count) {
    const timers = randomTimers(random);
    // A user timeout would end the connection behind a closed window before the cable is pulled.
    if (fault === "blocked" && timers.userTimeoutMs !== undefined) continue;
    const prediction = predict(timers);
    const predicted =
      fault === "blocked"
        ? prediction.zeroWindowDead
        : traffic === "idle"
          ? prediction.idle
          : prediction.inFlight;
    if (!predicted || predicted.worstMs > OBSERVED_MS) continue;
    const role = fault === "blocked" ? ("deaf" as const) : ("sink" as const);
    const id = `${fault} ${traffic} ${cells.length} ${JSON.stringify(timers)}`;
    const afterMs = 1000 * random();
    cells.push({
      connection: {
        id,
        mechanism: "none",
        traffic,
        role,
        host: "",
        tls: false,
        budgetMs: 5000,
        timers,
        afterMs,
      },
      predicted,
    });
  }
  return cells;
}

/** Runs cells side by side under one fault, and returns those with a wrong prediction. */
async function refuted(fault: Faulty, cells: readonly Cell[]): Promise<string[]> {
  await using world = await World.open();
  const network = await world.network();
  const connections = cells.map(({ connection: { host: _, ...connection } }) => connection);
  const subject = await startWatchedProgram(network, connections);
  await sleep(fault === "blocked" ? 6000 : 4000 + 2000 * Math.random());
  const cutAt = monotonicMs();
  await network.pullCable();
  if (fault === "crash") await network.removeAddresses("right");
  while (
    monotonicMs() < cutAt + 1.05 * OBSERVED_MS &&
    subject.events.filter(({ event }) => event === "closed").length < cells.length
  )
    await sleep(100);
  const observedMs = monotonicMs() - cutAt;
  return cells.flatMap(({ connection: { id }, predicted: { bestMs, worstMs } }) => {
    const closed = subject.events.find((event) => event.event === "closed" && event.id === id);
    const detectedMs = closed ? closed.at - cutAt : null;
    if (agrees({ best: bestMs, worst: worstMs }, detectedMs, observedMs)) return [];
    return [`${id}: predicted ${bestMs} to ${worstMs} ms, measured ${detectedMs} ms`];
  });
}

await describeWith(["namespaces"], "the predictor", () => {
  it("is right about 96 cells of random settings, idle, in flight and behind a closed window", {
    timeout: 120_000,
  }, async () => {
    const random = seededRandom(SEED);
    console.log(`seed ${SEED}`);
    const runs = [
      refuted("cable", [
        ...draw(random, "cable", "idle", CELLS_EACH),
        ...draw(random, "cable", "in-flight", CELLS_EACH),
      ]),
      refuted("crash", [
        ...draw(random, "crash", "idle", CELLS_EACH / 2),
        ...draw(random, "crash", "in-flight", CELLS_EACH / 2),
      ]),
      refuted("blocked", draw(random, "blocked", "in-flight", CELLS_EACH)),
    ];
    expect((await Promise.all(runs)).flat(), `HALFOPEN_SEED=${SEED} repeats it`).toEqual([]);
  });
});
