import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TimerWheel, type WheelEntry } from "../../../src/core/time/timer-wheel.ts";

interface Alarm extends WheelEntry {
  readonly at: number;
}

function alarm(at: number): Alarm {
  return { at, wheelNext: null, wheelPrevious: null, wheelSlot: -1, wheelTick: 0 };
}

describe("TimerWheel", () => {
  it("hands out every entry never early and at most one tick late, whatever the steps", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 5_000_000 }), { maxLength: 200 }),
        fc.array(fc.integer({ min: 1, max: 400_000 }), { minLength: 1, maxLength: 60 }),
        fc.integer({ min: 0, max: 1_000_000 }),
        (instants, steps, start) => {
          const wheel = new TimerWheel<Alarm>(10, start);
          const due: [Alarm, number, number][] = [];
          for (const at of instants) wheel.schedule(alarm(start + at), start + at);
          let now = start;
          for (const step of steps) {
            const before = now;
            now += step;
            wheel.advance(now, (entry) => due.push([entry, before, now]));
          }
          wheel.advance(now + 6_000_000, (entry) => due.push([entry, now, now + 6_000_000]));
          expect(due.length).toBe(instants.length);
          expect(wheel.size).toBe(0);
          for (const [entry, before, at] of due) {
            expect(at).toBeGreaterThanOrEqual(entry.at);
            expect(entry.at).toBeGreaterThan(before - 20);
          }
        },
      ),
    );
  });

  it("moves and cancels entries, also from inside the callback", () => {
    const wheel = new TimerWheel<Alarm>(10, 0);
    const [a, b, c] = [alarm(100), alarm(100), alarm(100)];
    for (const entry of [a, b, c]) wheel.schedule(entry, 100);
    wheel.schedule(b, 5000);
    const seen: Alarm[] = [];
    wheel.advance(110, (entry) => {
      seen.push(entry);
      if (entry !== a) wheel.schedule(entry, 200);
      wheel.cancel(a);
    });
    expect(seen).toEqual([c]);
    expect(wheel.size).toBe(2);
    wheel.advance(6000, (entry) => seen.push(entry));
    expect(seen).toEqual([c, c, b]);
  });

  it("hastens all that are due later, one after the other, and delays none", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 5_000_000 }), { maxLength: 200 }),
        (instants) => {
          const wheel = new TimerWheel<Alarm>(10, 0);
          for (const at of instants) wheel.schedule(alarm(at), at);
          wheel.hasten(0, 0.1);
          const due: Alarm[] = [];
          wheel.advance(10 + 0.1 * instants.length + 10, (entry) => due.push(entry));
          expect(due).toHaveLength(instants.length);
          expect(wheel.size).toBe(0);
        },
      ),
    );
    const wheel = new TimerWheel<Alarm>(10, 0);
    wheel.schedule(alarm(20), 20);
    wheel.hasten(0, 0);
    wheel.schedule(alarm(30), 30);
    wheel.hasten(5000, 0.1);
    const due: number[] = [];
    wheel.advance(30, ({ at }) => due.push(at));
    expect(due).toEqual([20, 30]);
  });

  it("goes on where a call was ended: no entry waits longer than one that was due before it", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 3000 }), { minLength: 1, maxLength: 200 }),
        fc.integer({ min: 1, max: 5 }),
        (instants, atATime) => {
          const wheel = new TimerWheel<Alarm>(10, 0);
          for (const at of instants) wheel.schedule(alarm(at), at);
          const seen: number[] = [];
          let now = 3100;
          for (let isDone = false; !isDone && seen.length < instants.length; now += 20) {
            let left = atATime;
            isDone = wheel.advance(now, (entry) => {
              if (entry.at < 3100) seen.push(entry.at);
              wheel.schedule(alarm(now + 10), now + 10); // more entries come than are handed out
              return --left > 0;
            });
          }
          const tickOf = (at: number): number => Math.max(1, Math.ceil(at / 10));
          expect(seen.map(tickOf)).toEqual(instants.map(tickOf).sort((a, b) => a - b));
        },
      ),
    );
  });

  it("hands out a moved entry once, at its last deadline, however often it was moved", () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.integer({ min: 1, max: 3_000_000 }), { minLength: 1, maxLength: 6 }), {
          maxLength: 60,
        }),
        (moves) => {
          const wheel = new TimerWheel<WheelEntry & { at: number }>(10, 0);
          for (const instants of moves) {
            const entry = { ...alarm(0), at: 0 };
            for (const at of instants) wheel.schedule(Object.assign(entry, { at }), at);
          }
          let count = 0;
          for (let now = 7; now < 3_100_000; now += 997) {
            wheel.advance(now, (entry) => {
              count++;
              expect(entry.at).toBeLessThanOrEqual(now);
              expect(entry.at).toBeGreaterThan(now - 997 - 20);
            });
          }
          expect(count).toBe(moves.length);
          expect(wheel.size).toBe(0);
        },
      ),
      { numRuns: 20 },
    );
  });

  it("returns an instant at or before the earliest deadline, so that one timer serves all entries", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 100_000_000 }), { minLength: 1, maxLength: 20 }),
        (instants) => {
          const wheel = new TimerWheel<Alarm>(10, 0);
          for (const at of instants) wheel.schedule(alarm(at), at);
          const earliest = Math.min(...instants);
          let rounds = 0;
          let found = false;
          while (!found) {
            const next = wheel.nextDue();
            expect(next).toBeLessThan(earliest + 10);
            wheel.advance(next, () => {
              found = true;
            });
            expect(++rounds).toBeLessThan(10);
          }
        },
      ),
    );
  });

  it("is never due when nothing is scheduled", () => {
    expect(new TimerWheel(10, 0).nextDue()).toBe(Number.POSITIVE_INFINITY);
  });
});
