import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LocalHealth, STALL_MS } from "../../../src/core/time/local-health.ts";

/** The wall clock at instant 0 of the monotonic clock. */
const EPOCH = 1_700_000_000_000;

/** Returns the health of a process whose first tick came in time. */
function healthy(): LocalHealth {
  const health = new LocalHealth();
  health.tick(1000, 1000, EPOCH + 1000);
  return health;
}

describe("a tick", () => {
  it("betrays a stall if it comes 250 ms late or more", () => {
    const health = healthy();
    expect(health.tick(2000, 2000 + STALL_MS - 1, EPOCH + 2249)).toBeNull();
    expect(health).toMatchObject({ lastPause: null, lostMs: 0 });
    expect(health.tick(2000, 2000 + STALL_MS, EPOCH + 2250)).toEqual({
      at: 2250,
      gapMs: STALL_MS,
      kind: "stall",
    });
  });

  it("betrays a suspend by the wall clock alone", () => {
    const health = healthy();
    expect(health.tick(2000, 2000, EPOCH + 62_000)).toEqual({
      at: 2000,
      gapMs: 60_000,
      kind: "suspend",
    });
    expect(health).toMatchObject({ suspends: 1, lostMs: 0 });
    // Only once: from now on the distance between the clocks stays the same
    expect(health.tick(3000, 3000, EPOCH + 63_000)).toBeNull();
  });

  it("does not take a step of the wall clock by a second, or back, for a suspend", () => {
    const health = healthy();
    expect(health.tick(2000, 2000, EPOCH + 3000)).toBeNull();
    expect(health.tick(3000, 3000, EPOCH - 90_000)).toBeNull();
    expect(health.tick(4000, 4000, EPOCH - 89_000)).toBeNull();
    expect(health.suspends).toBe(0);
  });

  it("betrays nothing if it is the first", () => {
    expect(new LocalHealth().tick(1000, 1000, EPOCH)).toBeNull();
  });
});

it("the time lost is the sum of all stalls, whatever the ticks", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(1000)), (lateness) => {
      const health = healthy();
      let due = 1000;
      for (const late of lateness) {
        due += 2000;
        health.tick(due, due + late, EPOCH + due + late);
      }
      expect(health.lostMs).toBe(
        lateness.filter((late) => late >= STALL_MS).reduce((sum, late) => sum + late, 0),
      );
    }),
  );
});

describe("a pause excuses a silence", () => {
  const paused = healthy();
  paused.tick(5000, 5400, EPOCH + 5400);

  it.each([
    ["that began before the pause", 5000, 0, 400],
    ["but not a silence that began after the pause", 5400, 0, null],
    ["but not if the pause is too long ago", 5000, 5400, null],
  ])("%s", (_, heardAt, earliest, pausedMs) => {
    expect(paused.pausedSinceMs(heardAt, earliest)).toBe(pausedMs);
  });

  it("and without a pause nothing is excused", () => {
    expect(healthy().pausedSinceMs(0, 0)).toBeNull();
  });
});
