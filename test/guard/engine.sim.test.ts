import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SMALLEST_GUARD_BUDGET_MS } from "../../src/guard/budget.ts";
import { DEFAULT_BRAKE, NO_BRAKE } from "../../src/guard/mass-death-brake.ts";
import { seededRandom } from "../../src/testing/seeded-random.ts";
import { KernelModel, type Path } from "../core/judge/kernel-model.ts";
import { ModelWorld } from "./model-world.ts";

/** A path that is out between two instants. */
function outOf(from: number, until: number, rttMs = 1): Path {
  return { rttMs, isUp: (now) => now < from || now >= until };
}

function lossy(lossRatio: number, seed: number, rttMs = 1): Path {
  const next = seededRandom(seed);
  return { rttMs, isUp: () => next() >= lossRatio };
}

function kernel(path: Path, rtoMaxMs = 1000): KernelModel {
  return new KernelModel(path, { rtoMaxMs, keepalive: false });
}

describe("the guard", () => {
  it("ends a cut connection within budget + 250 ms, idle or writing, at any phase of the surveys", () => {
    const cuts = fc.integer({ min: 4000, max: 9000 });
    const writes = fc.constantFrom(null, 100, 700, 1500);
    fc.assert(
      fc.property(
        fc.constantFrom(SMALLEST_GUARD_BUDGET_MS, 10_000, 30_000),
        cuts,
        writes,
        fc.integer({ min: 0, max: 40 }),
        (budgetMs, cut, writeEveryMs, rttMs) => {
          const world = new ModelWorld({ budgetMs, sweepMs: Math.min(2000, budgetMs / 5) });
          const key = world.add(
            kernel(outOf(cut, Number.POSITIVE_INFINITY, rttMs)),
            [10, 0, 0, 2],
            writeEveryMs,
          );
          world.run(cut + budgetMs + 1500);
          const late = (world.endedAt.get(key) ?? Number.POSITIVE_INFINITY) - cut;
          // A connection that writes seldom is found later: data that enters flight starts a new
          // clock.
          expect(late).toBeLessThanOrEqual(budgetMs + 250 + 3 * rttMs + 0.8 * (writeEveryMs ?? 0));
          expect(world.actionsOf("destroy").map(({ diagnosis }) => diagnosis?.cause)).toEqual([
            "path-silent",
          ]);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("ends a cut connection with data in flight within the budget on a kernel without a cap on backoff, except within the smallest budget", () => {
    const cuts = fc.integer({ min: 4000, max: 9000 });
    fc.assert(
      fc.property(
        fc.constantFrom(SMALLEST_GUARD_BUDGET_MS, 10_000, 30_000),
        cuts,
        fc.constantFrom(100, 700),
        (budgetMs, cut, writeEveryMs) => {
          const world = new ModelWorld({ budgetMs, hasRtoCap: false });
          const key = world.add(
            kernel(outOf(cut, Number.POSITIVE_INFINITY), 120_000),
            [10, 0, 0, 2],
            writeEveryMs,
          );
          world.run(cut + budgetMs + 4000);
          const late = (world.endedAt.get(key) ?? Number.POSITIVE_INFINITY) - cut;
          // Six attempts are proof. A guard does not know of the tail loss probe, and without a cap
          // the sixth timeout comes after 6.7 s.
          expect(late).toBeLessThanOrEqual(
            Math.max(budgetMs + 250 + writeEveryMs / 4, 7000 + writeEveryMs),
          );
          expect(late).toBeGreaterThan(budgetMs - writeEveryMs - 250);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("ends no connection after an outage of less than 0.4 of the budget, with or without a cap on backoff", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(SMALLEST_GUARD_BUDGET_MS, 10_000),
        fc.integer({ min: 4000, max: 9000 }),
        fc.constantFrom(null, 300),
        fc.boolean(),
        (budgetMs, from, writeEveryMs, hasRtoCap) => {
          const world = new ModelWorld({ budgetMs, hasRtoCap });
          const path = outOf(from, from + 0.4 * budgetMs);
          world.add(hasRtoCap ? kernel(path) : kernel(path, 120_000), [10, 0, 0, 2], writeEveryMs);
          world.run(from + 3 * budgetMs);
          expect(world.actionsOf("destroy")).toEqual([]);
        },
      ),
      { numRuns: 120 },
    );
  });

  it.each([
    ["with", true],
    ["without", false],
  ])(
    "ends none of 300 live connections that lose every tenth round trip for 10 minutes, %s a cap on backoff",
    (_with, hasRtoCap) => {
      const world = new ModelWorld({ budgetMs: 5000, hasRtoCap });
      const rtoMaxMs = hasRtoCap ? 1000 : 120_000;
      for (let i = 0; i < 300; i++)
        world.add(kernel(lossy(0.1, i), rtoMaxMs), [10, 0, 0, i % 20], i % 3 === 0 ? 400 : null);
      world.run(600_000);
      expect(world.actionsOf("destroy")).toEqual([]);
      expect(world.engine.counts.guarded).toBe(300);
    },
    120_000,
  );

  it.each([
    ["idle", null],
    ["writing", 400],
  ])("learns the loss of a path from the %s connections over it", (_traffic, writeEveryMs) => {
    for (const lossRatio of [0.02, 0.1, 0.2]) {
      const world = new ModelWorld({ budgetMs: 5000 });
      for (let i = 0; i < 100; i++)
        world.add(kernel(lossy(lossRatio, i)), [10, 0, 0, 2], writeEveryMs);
      world.add(kernel(outOf(120_000, Number.POSITIVE_INFINITY)), [10, 0, 0, 2], writeEveryMs);
      world.run(150_000);
      const [event] = world.actionsOf("destroy");
      // The ratio covers the last 200 round trips.
      expect(event?.diagnosis?.evidence.lossRatio).toBeGreaterThan(0.25 * lossRatio);
      expect(event?.diagnosis?.evidence.lossRatio).toBeLessThan(0.03 + 2 * lossRatio);
    }
  });

  it.each([
    ["with", true],
    ["without", false],
  ])("ends no live peer that keeps its window closed, %s a cap on backoff", (_with, hasRtoCap) => {
    const world = new ModelWorld({ budgetMs: 5000, hasRtoCap });
    for (let i = 0; i < 10; i++) {
      const model = kernel(outOf(0, 0), hasRtoCap ? 1000 : 120_000);
      model.isPeerReading = false;
      world.add(model, [10, 0, 0, i], 500);
    }
    world.run(180_000);
    expect(world.actionsOf("destroy")).toEqual([]);
    for (const { options } of world.connections.values()) expect(options.userTimeoutMs).toBe(0);
  });

  it("finds a peer that was dead before the guard started, and counts no earlier silence against a peer", () => {
    const world = new ModelWorld({ budgetMs: 5000, endsUnproven: true });
    const dead = kernel(outOf(1000, Number.POSITIVE_INFINITY));
    const quiet = kernel(outOf(0, 0));
    for (const model of [dead, quiet]) model.run(3_600_000);
    world.now = 3_600_000;
    const key = world.add(dead);
    world.add(quiet, [10, 0, 0, 3]);
    world.run(3_600_000 + 20_000);
    expect([...world.endedAt.keys()]).toEqual([key]);
    expect((world.endedAt.get(key) ?? 0) - 3_600_000).toBeLessThanOrEqual(5500);
    expect((world.endedAt.get(key) ?? 0) - 3_600_000).toBeGreaterThanOrEqual(5000);
  });

  it("ends no connection whose peer never answered a probe, says so, and keeps the kernel from ending it", () => {
    const world = new ModelWorld({ budgetMs: 5000 });
    const dead = kernel(outOf(1000, Number.POSITIVE_INFINITY));
    dead.run(3_600_000);
    world.now = 3_600_000;
    world.add(dead);
    const deaf = (): KernelModel =>
      new KernelModel(outOf(0, 0), { keepalive: false }, { answersProbes: false });
    world.add(deaf(), [10, 0, 0, 3]);
    world.add(deaf(), [10, 0, 0, 4], 20_000);
    const limited = new KernelModel(outOf(0, 0), { keepalive: false }, { answersEveryMs: 10_000 });
    world.add(limited, [10, 0, 0, 5]);
    world.run(2 * 3_600_000);
    expect([...world.endedAt.keys(), ...world.kernelEndedAt.keys()]).toEqual([]);
    const [held] = world.actionsOf("hold");
    expect(held?.diagnosis).toMatchObject({ state: "suspect", certainty: "medium" });
    expect(held?.diagnosis?.unknown[0]).toContain("never answered");
  });

  it("ends a connection that was dead before the guard started if the peer's port answers on another connection", () => {
    const world = new ModelWorld({ budgetMs: 5000 });
    const dead = kernel(outOf(1000, Number.POSITIVE_INFINITY));
    dead.run(3_600_000);
    world.now = 3_600_000;
    const key = world.add(dead);
    world.add(kernel(outOf(0, 0)));
    world.run(3_600_000 + 20_000);
    expect([...world.endedAt.keys()]).toEqual([key]);
  });

  it("ends nothing while most peers are silent at once, and goes on when they are back", () => {
    const world = new ModelWorld({ budgetMs: 5000 });
    for (let i = 0; i < 20; i++)
      world.add(kernel(outOf(10_000, 60_000)), [10, 0, 0, i], i % 2 ? 300 : null);
    world.run(59_000);
    expect(world.actionsOf("destroy")).toEqual([]);
    expect(world.actionsOf("hold").length).toBe(20);
    expect(world.engine.counts.isHolding).toBe(true);
    for (const { options } of world.connections.values()) expect(options.keepalive.count).toBe(127);
    // Data in flight is sent again as late after an outage as that was long (50 s).
    world.run(60_000 + 1.125 * 50_000 + 15_000);
    expect(world.engine.counts.isHolding).toBe(false);
    for (const { options } of world.connections.values()) expect(options.keepalive.count).toBe(40);
  });

  it("holds for ten minutes with rare probes: the kernel ends nothing, and every connection survives the outage", () => {
    const world = new ModelWorld({
      budgetMs: 5000,
      brake: { ...DEFAULT_BRAKE, holdAtMostMs: 900_000 },
    });
    for (let i = 0; i < 20; i++)
      world.add(kernel(outOf(10_000, 610_000)), [10, 0, 0, i], i % 2 ? 300 : null);
    world.run(609_000);
    expect(world.engine.counts.isHolding).toBe(true);
    for (const { kernel: model } of world.connections.values())
      expect(model.info().probes).toBeLessThan(60);
    world.run(800_000);
    expect(world.kernelEndedAt.size).toBe(0);
    expect(world.endedAt.size).toBe(0);
    expect(world.engine.counts.isHolding).toBe(false);
    for (const { options } of world.connections.values())
      expect(options.keepalive).toMatchObject({ idleMs: 1000, intervalMs: 1000, count: 40 });
  });

  it.each(["stops", "has its rules read again"])(
    "ends nothing when it %s in a hold, and in the end programs have their own settings",
    (how) => {
      const own = { enabled: true, idleMs: 60_000, intervalMs: 1000, count: 5 };
      const world = new ModelWorld({ budgetMs: 5000 });
      for (let i = 0; i < 20; i++) {
        const key = world.add(kernel(outOf(10_000, 72_000)), [10, 0, 0, i], i % 2 ? 300 : null);
        world.program(key, i % 4 < 2 ? { keepalive: own } : {});
      }
      const before = [...world.connections.values()].map(({ options }) => options);
      world.run(60_000);
      expect(world.engine.counts.isHolding).toBe(true);
      if (how === "stops") world.engine.stop();
      else world.engine.reload(world.rules);
      if (how === "stops") world.runAlone(200_000);
      else world.run(200_000);
      expect(world.kernelEndedAt.size).toBe(0);
      expect(world.endedAt.size).toBe(0);
      if (how !== "stops") world.engine.stop();
      const after = [...world.connections.values()].map(({ options }) => options);
      for (const [i, { keepalive, userTimeoutMs, rtoMaxMs }] of before.entries()) {
        expect(after[i]).toMatchObject({ userTimeoutMs, rtoMaxMs });
        // No guard is left to lower the count that was raised for the probes of the hold.
        if (how === "stops" && keepalive.enabled)
          expect(after[i]?.keepalive).toMatchObject({
            ...keepalive,
            count: expect.any(Number) as number,
          });
        else expect(after[i]?.keepalive.enabled).toBe(keepalive.enabled);
      }
    },
  );

  it("does not mistake its own user timeout for the program's when its rules are read again", () => {
    const world = new ModelWorld({ budgetMs: 5000, hasRtoCap: false });
    const key = world.add(kernel(outOf(10_000, 13_000), 120_000), [10, 0, 0, 2], 300);
    world.run(12_500);
    expect(world.connections.get(key)?.options.userTimeoutMs).toBeGreaterThanOrEqual(60_000);
    world.engine.reload(world.rules);
    world.run(40_000);
    expect(world.connections.get(key)?.options.userTimeoutMs).toBe(0);
  });

  it("without a brake, as for one program, ends all dead connections in time", () => {
    const world = new ModelWorld({ budgetMs: 5000, brake: NO_BRAKE });
    for (let i = 0; i < 20; i++)
      world.add(kernel(outOf(10_000, 60_000)), [10, 0, 0, i], i % 2 ? 300 : null);
    world.run(20_000);
    expect(world.endedAt.size).toBe(20);
    expect(Math.max(...world.endedAt.values())).toBeLessThanOrEqual(15_500);
    expect(world.actionsOf("hold")).toEqual([]);
  });

  it("ends a hundred that died at once as soon as one, but for the time of reading them all", () => {
    const lastEnd = (readingMs: number): number => {
      const world = new ModelWorld({ budgetMs: 5000, brake: NO_BRAKE });
      world.readingMs = readingMs;
      for (let i = 0; i < 120; i++) world.add(kernel(outOf(10_000, Number.POSITIVE_INFINITY)));
      world.run(17_000);
      expect(world.endedAt.size).toBe(120);
      return Math.max(...world.endedAt.values());
    };
    // Each is judged by the instant of its own reading, not by that of the first.
    expect(lastEnd(3)).toBeLessThanOrEqual(lastEnd(0) + 120 * 3);
  });

  it("ends the few that died among many that live", () => {
    const world = new ModelWorld({ budgetMs: 5000 });
    for (let i = 0; i < 20; i++)
      world.add(kernel(outOf(i < 3 ? 10_000 : 0, i < 3 ? Number.POSITIVE_INFINITY : 0)), [
        10,
        0,
        0,
        i,
      ]);
    world.run(20_000);
    expect([...world.endedAt.keys()].sort()).toEqual([1, 2, 3]);
    const [event] = world.actionsOf("destroy");
    expect(event?.diagnosis?.evidence.others?.sameRoute.alive).toBeGreaterThan(0);
  });

  it("says what it would do and changes nothing without `apply`", () => {
    const world = new ModelWorld({ budgetMs: 5000, apply: false });
    world.add(kernel(outOf(10_000, Number.POSITIVE_INFINITY)), [10, 0, 0, 2], 300);
    world.run(20_000);
    expect(world.events.map(({ action }) => action)).toEqual(["would-set", "would-destroy"]);
    expect([...world.connections.values()][0]?.options.keepalive.enabled).toBe(false);
  });
});
