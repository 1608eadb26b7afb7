import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Attempts } from "../../../src/core/judge/attempts.ts";

const OUTAGE_MS = 2000;
const WINDOW_MS = 200;
/** An answer window in which several attempts may leave. */
const LONG_WINDOW_MS = 900;

/** Attempts whose instants are known exactly: each left at one of `at`. */
function attemptsAt(...at: number[]): Attempts {
  const attempts = new Attempts(OUTAGE_MS);
  for (const [i, instant] of at.entries()) attempts.seen(i + 1, instant, instant);
  return attempts;
}

/** When attempts really left, no closer than the kernel's timers are, and when readings came. */
const world = fc.record({
  gaps: fc.array(fc.integer({ min: 200, max: 3000 }), { minLength: 1, maxLength: 12 }),
  looks: fc.array(fc.integer({ min: 1, max: 4000 }), { minLength: 1, maxLength: 30 }),
});

/**
 * Records the attempts reading by reading, as a counter would. After each reading it calls `check`
 * with the attempts that have left.
 */
function look(
  { gaps, looks }: { gaps: number[]; looks: number[] },
  check: (attempts: Attempts, left: number[], now: number) => void,
): void {
  let at = 0;
  const leaves = gaps.map((gap) => {
    at += gap;
    return at;
  });
  const attempts = new Attempts(OUTAGE_MS);
  let now = 0;
  for (const gap of looks) {
    const before = now;
    now += gap;
    const left = leaves.filter((instant) => instant <= now);
    attempts.seen(left.length, before, now);
    attempts.settle(now, LONG_WINDOW_MS);
    check(attempts, left, now);
  }
}

describe("attempts known only between two readings", () => {
  it("are counted, one by one or several at once", () => {
    fc.assert(
      fc.property(world, (world) =>
        look(world, ({ count }, left) => expect(count).toBe(left.length)),
      ),
    );
  });

  it("never show a longer silence than there was", () => {
    fc.assert(
      fc.property(world, (world) =>
        look(world, ({ count, firstAt, lastAt }, left) =>
          expect(count === 0 ? 0 : lastAt - firstAt).toBeLessThanOrEqual(
            (left.at(-1) ?? 0) - (left[0] ?? 0),
          ),
        ),
      ),
    );
  });

  it("never count an attempt as outlasting an outage that may have swallowed it", () => {
    fc.assert(
      fc.property(world, (world) =>
        look(world, ({ outlasting, settledOutlasting }, left) => {
          const [first = 0] = left;
          expect(outlasting).toBeLessThanOrEqual(
            left.filter((at) => at - first >= OUTAGE_MS).length,
          );
          expect(settledOutlasting).toBeLessThanOrEqual(outlasting);
        }),
      ),
    );
  });

  it("are settled only after a full answer window, whenever they left", () => {
    fc.assert(
      fc.property(world, (world) =>
        look(world, ({ settled }, left, now) =>
          expect(settled).toBeLessThanOrEqual(
            left.filter((at) => now - at >= LONG_WINDOW_MS).length,
          ),
        ),
      ),
    );
  });
});

describe("attempts at known instants", () => {
  it("outlast an outage when they leave that long after the first", () => {
    expect(attemptsAt(1000, 1600, 2999)).toMatchObject({
      firstAt: 1000,
      lastAt: 2999,
      outlasting: 0,
    });
    expect(attemptsAt(1000, 1600, 3000, 3600)).toMatchObject({ lastAt: 3600, outlasting: 2 });
  });

  it("are settled one window after they left", () => {
    const attempts = attemptsAt(1000, 3000, 3600);
    attempts.settle(3799, WINDOW_MS);
    expect(attempts).toMatchObject({ settled: 2, settledOutlasting: 1 });
    attempts.settle(3800, WINDOW_MS);
    expect(attempts).toMatchObject({ settled: 3, settledOutlasting: 2 });
  });

  it("move to a later transmission, never to an earlier one", () => {
    const attempts = attemptsAt(1000, 1600);
    attempts.movedTo(1500);
    expect(attempts.lastAt).toBe(1600);
    attempts.movedTo(1900);
    expect(attempts).toMatchObject({ count: 2, lastAt: 1900, lastAtLatest: 1900 });
  });

  it("have no span that contains this machine's sleep", () => {
    const attempts = attemptsAt(1000, 1600, 3000);
    attempts.shift(60_000, 63_000);
    attempts.settle(63_500, WINDOW_MS);
    expect(attempts).toMatchObject({
      count: 3,
      outlasting: 0,
      settled: 3,
      settledOutlasting: 0,
    });
    expect(attempts.firstAt).toBe(61_000);
    attempts.seen(4, 63_400, 63_400);
    expect(attempts).toMatchObject({ lastAt: 63_400, outlasting: 1 });
  });

  it("begin anew after they are cleared", () => {
    const attempts = attemptsAt(1000, 3000);
    attempts.areLocal = true;
    attempts.clear();
    attempts.settle(9000, WINDOW_MS);
    expect(attempts).toMatchObject({
      count: 0,
      outlasting: 0,
      settled: 0,
      settledOutlasting: 0,
      areLocal: false,
    });
    attempts.seen(1, 9000, 9000);
    expect(attempts).toMatchObject({ count: 1, firstAt: 9000 });
  });
});

describe("lost attempts, when the peer is heard", () => {
  const answerMs = 40;
  const lost = (attempts: Attempts, heardAt: number): number =>
    attempts.lostWhen(heardAt, answerMs, WINDOW_MS);

  it("are those before the one that was answered", () => {
    expect(lost(attemptsAt(1000, 1600, 2200), 2245)).toBe(2);
    // The third attempt is still on its way: it left less than a round trip before.
    expect(lost(attemptsAt(1000, 1600, 2200), 2239)).toBe(1);
    expect(lost(attemptsAt(1000), 1045)).toBe(0);
  });

  it("are all of them when nothing came within an answer window", () => {
    expect(lost(attemptsAt(1000, 1600), 1799)).toBe(1);
    expect(lost(attemptsAt(1000, 1600), 1800)).toBe(2);
  });

  it("are none when none were made", () => {
    expect(lost(new Attempts(OUTAGE_MS), 5000)).toBe(0);
  });
});
