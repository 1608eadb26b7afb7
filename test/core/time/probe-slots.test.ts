import { describe, expect, it } from "vitest";
import { ProbeSlots } from "../../../src/core/time/probe-slots.ts";

describe("ProbeSlots", () => {
  it("lets a hundred probes leave together, and more only as far as chance explains", () => {
    const few = new ProbeSlots();
    const taken = Array.from({ length: 150 }, () => few.reserve(5000, 150, 2000));
    expect(taken.filter(Boolean).length).toBe(100);
    const many = new ProbeSlots();
    const granted = Array.from({ length: 10_000 }, () => many.reserve(5000, 10_000, 2000)).filter(
      Boolean,
    ).length;
    const fair = (10_000 * 64) / 2000;
    expect(granted).toBe(Math.ceil(fair + 6 * Math.sqrt(fair)));
  });

  it("forgets moments that have passed", () => {
    const slots = new ProbeSlots();
    for (let i = 0; i < 100; i++) slots.reserve(640, 100, 2000);
    expect(slots.reserve(640, 100, 2000)).toBe(false);
    expect(slots.reserve(640 + 64 * 1024, 100, 2000)).toBe(true);
  });

  it("spreads probes that draw another moment until one has room", () => {
    const slots = new ProbeSlots();
    const counts = new Map<number, number>();
    for (let i = 0; i < 10_000; i++) {
      let at = 2000;
      for (let tries = 0; tries < 50 && !slots.reserve(at, 10_000, 2000); tries++)
        at = 1000 + ((i * 7919 + tries * 104_729) % 1000);
      const moment = Math.floor(at / 64);
      counts.set(moment, (counts.get(moment) ?? 0) + 1);
    }
    // A queue of the kernel holds 1000 packets
    expect(Math.max(...counts.values())).toBeLessThanOrEqual(1000);
  });
});
