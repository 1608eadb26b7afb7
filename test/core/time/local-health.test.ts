import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LocalHealth, type Pause, STALL_MS } from "../../../src/core/time/local-health.ts";

/** The wall clock at instant 0 of the monotonic clock. */
const EPOCH = 1_700_000_000_000;
/** The machine had slept for this long before the process began. */
const SLEPT_BEFORE_MS = 5_000_000;

/** The clocks of a machine whose process ticks in time. */
class Machine {
  now = 1000;
  wallMs = EPOCH + 1000;
  bootMs = SLEPT_BEFORE_MS + 1000;
  bootReadings = 0;
  readonly health = new LocalHealth(() => {
    this.bootReadings++;
    return this.bootMs;
  });

  constructor() {
    this.health.tick(this.now, this.now, this.wallMs);
  }

  /** Ticks a second later, after a suspend of `sleptMs` and a step of the wall clock. */
  tick({ sleptMs = 0, stepMs = 0, lateMs = 0 }): Pause | null {
    const passedMs = 1000 + lateMs;
    this.now += passedMs;
    this.wallMs += passedMs + sleptMs + stepMs;
    this.bootMs += passedMs + sleptMs;
    return this.health.tick(this.now - lateMs, this.now, this.wallMs);
  }
}

/** Returns the health of a process whose first tick came in time. */
function healthy(): LocalHealth {
  return new Machine().health;
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

  it("betrays a suspend, once", () => {
    const machine = new Machine();
    expect(machine.tick({ sleptMs: 60_000 })).toEqual({ at: 2000, gapMs: 60_000, kind: "suspend" });
    expect(machine.health).toMatchObject({ suspends: 1, lostMs: 0 });
    expect(machine.tick({})).toBeNull();
    expect(machine.tick({ sleptMs: 5000 })).toMatchObject({ gapMs: 5000, kind: "suspend" });
  });

  it.each([
    ["an hour ahead", 3_600_000],
    ["an hour back", -3_600_000],
    ["two seconds ahead, as NTP does", 2000],
  ])("does not take a wall clock that is set for a suspend: %s", (_, stepMs) => {
    const machine = new Machine();
    for (let i = 0; i < 5; i++) expect(machine.tick({ stepMs })).toBeNull();
    expect(machine.health).toMatchObject({ lastPause: null, suspends: 0, lostMs: 0 });
  });

  it.each([3_600_000, -3_600_000])(
    "betrays a suspend with its true length although the wall clock is set by %d ms as well",
    (stepMs) => {
      const machine = new Machine();
      expect(machine.tick({ sleptMs: 60_000, stepMs })).toMatchObject({ gapMs: 60_000 });
    },
  );

  it("betrays no suspend where the OS has no boot clock", () => {
    const health = new LocalHealth();
    health.tick(1000, 1000, EPOCH + 1000);
    expect(health.tick(2000, 2000, EPOCH + 62_000)).toBeNull();
  });

  it("reads the boot clock only when the wall clock moved", () => {
    const machine = new Machine();
    const before = machine.bootReadings;
    for (let i = 0; i < 100; i++) machine.tick({ lateMs: i });
    expect(machine.bootReadings).toBe(before);
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
