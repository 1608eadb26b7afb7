import { describe, expect, it } from "vitest";
import { constantDelay, exponentialDelay } from "../../src/core/detectors/delay-law.ts";
import { seededRandom } from "../../src/testing/seeded-random.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";
import { VirtualLink } from "../../src/testing/virtual-link.ts";

describe("the virtual clock", () => {
  it("runs due actions in the order of time, then of scheduling, and shows each its own instant", () => {
    const clock = new VirtualClock(100);
    const random = seededRandom(4);
    const ran: { at: number; order: number; now: number }[] = [];
    for (let order = 0; order < 1000; order++) {
      const at = 100 + Math.floor(random() * 50);
      clock.schedule(at, () => ran.push({ at, order, now: clock.now }));
    }
    clock.advance(49);
    expect(ran.length).toBe(1000);
    expect(ran.every(({ at, now }) => at === now)).toBe(true);
    expect(ran).toEqual([...ran].sort((a, b) => a.at - b.at || a.order - b.order));
    expect(clock.now).toBe(149);
  });

  it("runs actions scheduled meanwhile, but none that is cancelled or due later", () => {
    const clock = new VirtualClock();
    const ran: string[] = [];
    const takeBack = clock.schedule(20, () => ran.push("taken back"));
    clock.schedule(10, () => {
      ran.push("first");
      takeBack();
      clock.schedule(5, () => ran.push("at once"));
    });
    clock.schedule(101, () => ran.push("beyond"));
    clock.advance(100);
    expect(ran).toEqual(["first", "at once"]);
    expect(clock.pending).toBe(1);
  });
});

describe("the virtual link", () => {
  it("delivers a stream complete and in order through loss and a cut", () => {
    const clock = new VirtualClock();
    const got: number[] = [];
    const link = new VirtualLink<number>(
      clock,
      { seed: 2, delay: exponentialDelay(20, 10), loss: 0.2, mode: "stream" },
      (n) => got.push(n),
    );
    for (let n = 0; n < 500; n++) clock.schedule(n * 50, () => link.send(n));
    clock.schedule(5000, () => link.cut());
    clock.schedule(9000, () => link.heal());
    clock.runUntil(8999);
    const before = got.length;
    expect(before).toBeLessThan(101);
    clock.runUntil(120_000);
    expect(got).toEqual(Array.from({ length: 500 }, (_, n) => n));
  });

  it("loses as many datagrams as the law says, and all of them while cut", () => {
    const clock = new VirtualClock();
    let got = 0;
    const link = new VirtualLink<null>(
      clock,
      { seed: 2, delay: constantDelay(20), loss: 0.25 },
      () => got++,
    );
    for (let n = 0; n < 10_000; n++) clock.schedule(n, () => link.send(null));
    clock.runUntil(20_000);
    expect(got).toBeGreaterThan(7300);
    expect(got).toBeLessThan(7700);
    link.cut();
    for (let n = 0; n < 100; n++) link.send(null);
    clock.advance(1000);
    expect(got).toBeLessThan(7700);
  });
});
