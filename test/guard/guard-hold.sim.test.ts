import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DEFAULT_BRAKE } from "../../src/guard/mass-death-brake.ts";
import type { ConnectionOptions } from "../../src/kernel/options/connection-options.ts";
import { KernelModel, type Path } from "../core/judge/kernel-model.ts";
import { longOrShort } from "../setup/run-length.ts";
import { ModelWorld } from "./model-world.ts";

const CUT_MS = 40_000;
const PEERS = 20;
const OWN: Partial<ConnectionOptions>[] = [
  {},
  { keepalive: { enabled: true, idleMs: 60_000, intervalMs: 10_000, count: 6 } },
  { keepalive: { enabled: true, idleMs: 2000, intervalMs: 1000, count: 120 } },
  { userTimeoutMs: 900_000 },
];

function outUntil(until: number, rttMs: number): Path {
  return { rttMs, isUp: (now) => now < CUT_MS || now >= until };
}

interface Scene {
  readonly budgetMs: number;
  readonly outageMs: number;
  readonly holdAtMostMs: number;
  readonly hasRtoCap: boolean;
  /** The number of connections that write all the time. */
  readonly writers: number;
  /** How often the others write, ms, and by it also the round-trip time. */
  readonly phases: readonly number[];
  /** Events of the guard during the outage, evenly spread. */
  readonly events: readonly ("reload" | "stop" | "kill")[];
}

/** Runs a guard with many peers, all of which are cut off and come back. */
function worldAfter(scene: Scene): { world: ModelWorld; own: ConnectionOptions[] } {
  const { budgetMs, outageMs, holdAtMostMs, hasRtoCap, writers, phases, events } = scene;
  const brake = { ...DEFAULT_BRAKE, holdAtMostMs };
  const world = new ModelWorld({
    budgetMs,
    brake,
    hasRtoCap,
    sweepMs: Math.min(2000, budgetMs / 5),
  });
  const until = CUT_MS + outageMs;
  for (let i = 0; i < PEERS; i++) {
    const phase = phases[i % phases.length] as number;
    const kernel = new KernelModel(outUntil(until, phase % 50), {
      keepalive: false,
      idleMs: 7_200_000,
    });
    const key = world.add(kernel, [10, 0, 0, i], i < writers ? 300 : phase);
    world.program(key, OWN[i % OWN.length] as Partial<ConnectionOptions>);
  }
  const own = [...world.connections.values()].map(({ options }) => options);
  // A connection that is not held yet has only the kernel's backstop, of two budgets.
  const befalls = events.slice(0, Math.max(0, Math.floor(outageMs / (1.5 * budgetMs)) - 1));
  befalls.forEach((event, i) => {
    world.run(CUT_MS + (outageMs * (i + 1)) / (befalls.length + 1));
    if (event === "reload") world.engine.reload(world.rules);
    else world.restart(event === "kill");
  });
  // With data in flight the kernel sends again at most two minutes later, and at most as long after
  // an outage as the outage lasted.
  world.run(until + 240_000);
  return { world, own };
}

const scenes = fc.record({
  budgetMs: fc.constantFrom(5000, 10_000, 30_000, 60_000),
  outageMs: fc.integer({ min: 10_000, max: 600_000 }),
  holdAtMostMs: fc.constantFrom(700_000, 7 * 86_400_000, 60 * 86_400_000),
  hasRtoCap: fc.boolean(),
  writers: fc.integer({ min: 0, max: PEERS }),
  phases: fc.array(fc.integer({ min: 5000, max: 30_000 }), { minLength: 3, maxLength: PEERS }),
  events: fc.array(fc.constantFrom("reload", "stop", "kill"), { maxLength: 6 }) as fc.Arbitrary<
    Scene["events"]
  >,
});

describe("a hold", () => {
  it("ends no connection that comes back, by guard or kernel, even if the guard is reloaded, stopped or killed; programs get their settings back", () => {
    fc.assert(
      fc.property(scenes, (scene) => {
        const { world, own } = worldAfter(scene);
        expect(world.endedAt.size).toBe(0);
        expect(world.kernelEndedAt.size).toBe(0);
        expect(world.engine.counts).toMatchObject({ guarded: PEERS, isHolding: false });
        world.engine.stop();
        world.runAlone(world.now + 300); // an answer may be under way
        world.engine.stop();
        expect([...world.connections.values()].map(({ options }) => options)).toEqual(
          own.map((options) => (scene.hasRtoCap ? options : { ...options, rtoMaxMs: null })),
        );
      }),
      { numRuns: longOrShort(600, 40) },
    );
  }, 300_000);

  it("that runs out right after the peers are back ends no connection", () => {
    for (const before of [500, 3000, 9000, 20_000]) {
      const holdAtMostMs = 300_000;
      const scene = {
        budgetMs: 5000,
        holdAtMostMs,
        hasRtoCap: true,
        writers: 7,
        phases: [7000, 9100, 11_300],
        events: [],
      };
      const { world } = worldAfter({ ...scene, outageMs: holdAtMostMs + 5000 - before });
      expect(world.endedAt.size + world.kernelEndedAt.size).toBe(0);
    }
  });

  it("ends dead connections a budget after the longest hold, and those with data in flight by the next retransmission", () => {
    const holdAtMostMs = 300_000;
    const scene = {
      budgetMs: 5000,
      holdAtMostMs,
      hasRtoCap: true,
      writers: 10,
      phases: [86_400_000],
      events: [],
    };
    const { world } = worldAfter({ ...scene, outageMs: 3_600_000 });
    expect(world.kernelEndedAt.size).toBe(0);
    expect(world.endedAt.size).toBe(PEERS);
    const [soonest = 0, latest = 0] = [
      Math.min(...world.endedAt.values()) - CUT_MS,
      Math.max(...world.endedAt.values()) - CUT_MS,
    ];
    expect(soonest).toBeGreaterThan(holdAtMostMs + 5000);
    expect(latest).toBeLessThan(holdAtMostMs + 2 * 5000 + 120_000 + 2000);
  });

  it("ends within a sixth of the outage's length, or within 6 s, after the peers are back", () => {
    for (const outageMs of [20_000, 120_000, 3_600_000]) {
      const scene = {
        budgetMs: 5000,
        holdAtMostMs: 7 * 86_400_000,
        hasRtoCap: true,
        writers: 0,
        phases: [864_000_000],
        events: [],
      };
      const brake = { ...DEFAULT_BRAKE, holdAtMostMs: scene.holdAtMostMs };
      const world = new ModelWorld({ budgetMs: 5000, brake });
      for (let i = 0; i < PEERS; i++)
        world.add(new KernelModel(outUntil(CUT_MS + outageMs, 1), { keepalive: false }), [
          10,
          0,
          0,
          i,
        ]);
      world.run(CUT_MS + outageMs + Math.max(6000, outageMs / 6) + 2000);
      expect(world.engine.counts).toMatchObject({ guarded: PEERS, inDoubt: 0, isHolding: false });
    }
  }, 60_000);
});

describe("the settings of a program", () => {
  const lossy = (share: number): Path => {
    let state = 1;
    return {
      rttMs: 5,
      isUp: () => {
        state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
        return state / 0x7fffffff >= share;
      },
    };
  };

  it.each([
    ["a short user timeout, and no keepalive", { userTimeoutMs: 1500 }],
    [
      "a short user timeout, and a slow keepalive",
      {
        userTimeoutMs: 1500,
        keepalive: { enabled: true, idleMs: 60_000, intervalMs: 10_000, count: 6 },
      },
    ],
  ])("%s: a few lost probes of the guard's keepalive do not end the connection", (_what, own) => {
    const world = new ModelWorld({ budgetMs: 5000 });
    for (let i = 0; i < 20; i++)
      world.program(world.add(new KernelModel(lossy(0.05), { keepalive: false })), own);
    world.run(600_000);
    expect(world.kernelEndedAt.size).toBe(0);
    world.engine.stop();
    for (const { options } of world.connections.values()) expect(options).toMatchObject(own);
  });

  it("a tight keepalive: the guard's probes do not use up the count", () => {
    const keepalive = { enabled: true, idleMs: 1000, intervalMs: 1000, count: 4 };
    const path: Path = { rttMs: 1, isUp: (now) => now % 20_000 < 16_800 };
    const world = new ModelWorld({ budgetMs: 10_000 });
    const alone = new KernelModel(path, keepalive);
    const key = world.add(new KernelModel(path, { keepalive: false }));
    world.program(key, { keepalive });
    alone.run(100_000);
    world.run(100_000);
    expect(alone.state).toBe("ESTABLISHED");
    expect(world.kernelEndedAt.size).toBe(0);
  });
});
