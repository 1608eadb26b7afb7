import { describe, expect, it } from "vitest";
import { NO_BRAKE } from "../../src/guard/mass-death-brake.ts";
import { KernelModel, type Path } from "../core/judge/kernel-model.ts";
import { ModelWorld } from "./model-world.ts";

const BUDGET_MS = 5000;
const CUT_MS = 10_000;
const FOR_EVER = Number.POSITIVE_INFINITY;

function outUntil(until: number): Path {
  return { rttMs: 1, isUp: (now) => now < CUT_MS || now >= until };
}

const up: Path = { rttMs: 1, isUp: () => true };
const kernel = (path: Path): KernelModel =>
  new KernelModel(path, { rtoMaxMs: 1000, keepalive: false });

/** Adds a connection to each peer of a namespace, and returns their cookies. */
function fill(world: ModelWorld, index: number, peers: number, path: Path, net = index): number[] {
  return Array.from({ length: peers }, (_, i) =>
    world.add(kernel(path), [10, net, 0, i + 1], i % 2 ? 300 : null, index),
  );
}

describe("a guard of several network namespaces", () => {
  it("holds the connections of a namespace whose peers fell silent at once, and ends what died elsewhere", () => {
    const world = new ModelWorld({ budgetMs: BUDGET_MS });
    fill(world, 0, 30, up);
    fill(world, 1, 6, outUntil(60_000));
    const [dead = 0] = fill(world, 2, 1, outUntil(FOR_EVER));
    fill(world, 2, 9, up, 102);
    world.run(59_000);
    expect([...world.endedAt.keys()]).toEqual([dead]);
    expect(world.endedAt.get(dead)).toBeLessThanOrEqual(CUT_MS + BUDGET_MS + 250);
    const holds = world.actionsOf("hold");
    expect(holds.map(({ connection }) => connection.namespace)).toEqual(Array(6).fill("c1"));
    expect(holds[0]?.reason).toMatch(/^[3-6] of 6 peers of c1 are silent at once/);
    world.run(90_000);
    expect(world.kernelEndedAt.size).toBe(0);
    expect(world.endedAt.size).toBe(1);
  });

  it("holds all when most peers of the machine fall silent, though no namespace has enough of them to show it", () => {
    const world = new ModelWorld({ budgetMs: BUDGET_MS });
    for (let index = 0; index < 10; index++) fill(world, index, 2, outUntil(60_000));
    world.run(59_000);
    expect(world.endedAt.size).toBe(0);
    expect(world.actionsOf("hold").length).toBe(20);
    expect(world.actionsOf("hold")[0]?.reason).toMatch(/ of 20 peers of all namespaces are silent/);
    expect(world.engine.counts).toMatchObject({ peers: 20, silentPeers: 20, isHolding: true });
    // Data in flight is sent again as late after an outage as that was long.
    world.run(60_000 + 1.125 * (60_000 - CUT_MS) + 15_000);
    expect(world.engine.counts.isHolding).toBe(false);
    expect(world.kernelEndedAt.size + world.endedAt.size).toBe(0);
  });

  it("takes a database that all namespaces use for one peer, whose death is no fault of this host", () => {
    const world = new ModelWorld({ budgetMs: BUDGET_MS });
    for (let index = 0; index < 8; index++) {
      world.add(kernel(outUntil(FOR_EVER)), [10, 99, 0, 1], null, index);
      fill(world, index, 1, up);
    }
    world.run(CUT_MS + BUDGET_MS + 1500);
    expect(world.endedAt.size).toBe(8);
    expect(world.actionsOf("hold")).toEqual([]);
  });

  it("takes one address in two namespaces for two hosts, of which one proves nothing about the other", () => {
    const world = new ModelWorld({ budgetMs: BUDGET_MS, brake: NO_BRAKE });
    world.add(kernel(outUntil(FOR_EVER)), [172, 17, 0, 2], 300, 1);
    for (let i = 0; i < 5; i++) world.add(kernel(up), [172, 17, 0, 2], 300, 2);
    world.run(CUT_MS + BUDGET_MS + 1500);
    const [destroyed, ...more] = world.actionsOf("destroy");
    expect(more).toEqual([]);
    expect(destroyed?.connection.namespace).toBe("c1");
    expect(destroyed?.diagnosis?.evidence.others).toBeNull();
  });

  it("forgets a namespace with its connections as soon as it is gone", () => {
    const world = new ModelWorld({ budgetMs: BUDGET_MS });
    fill(world, 0, 2, up);
    fill(world, 1, 7, outUntil(FOR_EVER));
    world.run(CUT_MS + 2500);
    expect(world.engine.counts).toMatchObject({ guarded: 9, inDoubt: 7, peers: 9 });
    world.gone.add(1);
    world.run(CUT_MS + 3600);
    expect(world.engine.counts).toMatchObject({ guarded: 2, inDoubt: 0, peers: 2, silentPeers: 0 });
    expect(world.engine.counts.isHolding).toBe(false);
  });

  it("takes up again the sockets of a namespace that was out of sight, under its new index", () => {
    const world = new ModelWorld({ budgetMs: BUDGET_MS });
    const [key = 0] = fill(world, 1, 1, outUntil(FOR_EVER));
    fill(world, 0, 3, up);
    world.run(5000);
    const connection = world.connections.get(key);
    if (connection) connection.namespaceIndex = 7;
    world.run(CUT_MS + BUDGET_MS + 1500);
    expect(world.endedAt.get(key)).toBeLessThanOrEqual(CUT_MS + BUDGET_MS + 250);
    expect(world.actionsOf("destroy")[0]?.connection.namespace).toBe("c7");
    expect(world.engine.counts.guarded).toBe(3);
  });
});
