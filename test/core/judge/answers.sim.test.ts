import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PeerGroups } from "../../../src/core/judge/peer-groups.ts";
import { seededRandom } from "../../../src/testing/index.ts";
import { longOrShort } from "../../setup/run-length.ts";
import type { Path } from "./kernel-model.ts";
import { type Outcome, type Run, watchModel } from "./watched-model.ts";

const HOUR_MS = 3_600_000;
const UP: Path = { rttMs: 5, isUp: () => true };

function lossy(lossRatio: number, rttMs: number, seed: number): Path {
  const next = seededRandom(seed);
  const isUp = (): boolean => next() >= lossRatio / 2;
  return { rttMs, isUp, isAnswerUp: isUp };
}

function cutAt(at: number, rttMs = 5): Path {
  return { rttMs, isUp: (now) => now < at };
}

function expectAlive({ deadAt, kernelEndedAt, kernel }: Outcome): void {
  expect({ deadAt, kernelEndedAt, state: kernel.state }).toEqual({
    deadAt: null,
    kernelEndedAt: null,
    state: "ESTABLISHED",
  });
}

/** Its probes are proof enough while the acknowledgment of a write is still on its way. */
const WRITES_JUST_BEFORE_THE_VERDICT: [number, number, number, boolean] = [
  60_000,
  162,
  0.848425,
  false,
];

const budgets = fc.constantFrom(2500, 5000, 10_000, 60_000);
const rtts = fc.integer({ min: 0, max: 300 });
const talk = fc.option(fc.integer({ min: 700, max: 90_000 }), { nil: undefined });

describe("a live peer that does not answer every probe", () => {
  it("is never called dead nor ended by the kernel when it answers no probe: idle for hours, talking now and then, with its window closed", () => {
    fc.assert(
      fc.property(
        budgets,
        rtts,
        talk,
        fc.boolean(),
        fc.boolean(),
        fc.boolean(),
        (budgetMs, rttMs, writeEveryMs, isBlocked, isForgetful, hasCap) => {
          const closing = isBlocked
            ? { closesWindowAtMs: 5000, writeEveryMs: 3000 }
            : { writeEveryMs };
          const cap = hasCap ? {} : { rtoMaxMs: null };
          // Even without a watch the kernel ends a closed window after 15 unanswered probes, in
          // some minutes. Keepalive probes count among them.
          const untilMs = isBlocked ? 200_000 : 3 * HOUR_MS;
          const world = { answersProbes: false };
          const outcome = watchModel({
            budgetMs,
            path: { ...UP, rttMs },
            untilMs,
            world,
            isForgetful,
            ...closing,
            ...cap,
          });
          expectAlive(outcome);
          expect(outcome.judgement.loss.ratio).toBe(0);
        },
      ),
      { numRuns: longOrShort(300, 60) },
    );
  });

  it("is never called dead when it limits its answers and some of them are lost", () => {
    fc.assert(
      fc.property(
        budgets,
        rtts,
        talk,
        fc.integer({ min: 600, max: 60_000 }),
        fc.integer(),
        (budgetMs, rttMs, writeEveryMs, answersEveryMs, seed) => {
          const path = lossy(0.01, rttMs, seed);
          expectAlive(
            watchModel({
              budgetMs,
              path,
              untilMs: HOUR_MS,
              world: { answersEveryMs },
              isForgetful: true,
              writeEveryMs,
            }),
          );
        },
      ),
      { numRuns: longOrShort(300, 60) },
    );
  });

  it("is never called dead when it answered probes, and a box then drops them while data still passes", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(5000, 10_000, 60_000),
        rtts,
        fc.double({ min: 0.75, max: 0.85, noNaN: true }),
        fc.boolean(),
        (budgetMs, rttMs, share, isForgetful) => {
          const everyMs = Math.round(share * budgetMs);
          const dropsProbesFromMs = 20 * budgetMs;
          // The last of these writes is the last thing that the peer is heard by.
          const writesAtMs = Array.from({ length: 45 }, (_, i) => 2500 + (i + 1) * everyMs);
          const outcome = watchModel({
            budgetMs,
            path: { ...UP, rttMs },
            untilMs: 100 * budgetMs,
            writesAtMs,
            isForgetful,
            world: { dropsProbesFromMs },
          });
          expectAlive(outcome);
          expect(outcome.judgement.doubt).toContain("stopped while data still passed");
        },
      ),
      { numRuns: longOrShort(300, 60), examples: [WRITES_JUST_BEFORE_THE_VERDICT] },
    );
  });

  it("is heard again, and becomes ordinary, when it begins to answer", () => {
    const run: Run = {
      budgetMs: 5000,
      path: { rttMs: 5, isUp: (now) => now >= 100_000 },
      untilMs: 150_000,
    };
    const { judgement, answers, kernel } = watchModel(run);
    expect(judgement.state).toBe("alive");
    expect(answers.areOrdinary).toBe(true);
    expect(kernel.probesSent).toBeLessThan(70);
  });

  it("costs few probes: a burst within the budget, then at most one in half a minute", () => {
    const { kernel, judgement } = watchModel({
      budgetMs: 5000,
      path: UP,
      untilMs: HOUR_MS,
      world: { answersProbes: false },
    });
    expect(judgement).toMatchObject({ state: "suspect", isOverdue: true, isUnproven: true });
    expect(kernel.probesSent).toBeLessThan(60);
  });
});

describe("a dead peer", () => {
  it("is overdue and unproven, not ended, when it died before it had answered two probes", () => {
    for (const at of [500, 1500]) {
      const { deadAt, kernelEndedAt, judgement } = watchModel({
        budgetMs: 5000,
        path: cutAt(at),
        untilMs: HOUR_MS,
      });
      expect([deadAt, kernelEndedAt]).toEqual([null, null]);
      expect(judgement).toMatchObject({ state: "suspect", isOverdue: true, isUnproven: true });
      expect(judgement.doubt).toContain(at === 500 ? "never answered" : "answered one so far");
    }
  });

  it("is found by data in flight, whatever probes it answered before", () => {
    for (const [at, write] of [
      [500, 700],
      [500, 40_000],
      [1500, 100_000],
    ] as const) {
      const { deadAt, judgement } = watchModel({
        budgetMs: 5000,
        path: cutAt(at),
        untilMs: HOUR_MS,
        writeAtMs: write,
      });
      expect((deadAt ?? Number.POSITIVE_INFINITY) - write).toBeLessThanOrEqual(5250);
      expect(judgement.isUnproven).toBe(false);
    }
  });

  it("is ended at the deadline, and not before, with atDeadline: end", () => {
    const run = {
      budgetMs: 5000,
      path: cutAt(500),
      untilMs: HOUR_MS,
      options: { atDeadline: "end" },
    } as const;
    const { deadAt, judgement } = watchModel(run);
    expect(deadAt).toBeGreaterThanOrEqual(4900);
    expect(deadAt).toBeLessThanOrEqual(5250);
    expect(judgement).toMatchObject({ isRushed: true, isUnproven: true });
  });

  it("is found within the budget when another connection to the same address and port was answered, and only then", () => {
    for (const [port, isFound] of [
      [5432, true],
      [5433, false],
    ] as const) {
      const peer = new PeerGroups().join("10.0.0.1", "10.0.0.2");
      watchModel({ budgetMs: 5000, path: UP, untilMs: 5000, peer, remotePort: 5432 });
      const { deadAt } = watchModel({
        budgetMs: 5000,
        path: cutAt(500),
        untilMs: 60_000,
        peer,
        remotePort: port,
      });
      if (isFound) expect(deadAt).toBeLessThanOrEqual(5250 + 500);
      else expect(deadAt).toBe(null);
    }
  });

  it("is found within the budget when an earlier connection to it was answered that is gone", () => {
    const groups = new PeerGroups();
    const peer = groups.join("10.0.0.1", "10.0.0.2");
    watchModel({ budgetMs: 5000, path: UP, untilMs: 5000, peer, remotePort: 5432 });
    groups.leave(peer, false);
    const again = groups.join("10.0.0.1", "10.0.0.2");
    expect(again).not.toBe(peer);
    const run = { budgetMs: 5000, path: cutAt(500), untilMs: 60_000, peer: again };
    expect(watchModel({ ...run, remotePort: 5432 }).deadAt).toBeLessThanOrEqual(5250 + 500);
    expect(watchModel({ ...run, remotePort: 5433 }).deadAt).toBe(null);
  });

  it("is found as before when its probes went unanswered in an outage that data ended", () => {
    // Two probes are lost, and a write ends the silence: no box, and not enough to think of one.
    const { deadAt } = watchModel({
      budgetMs: 5000,
      path: { rttMs: 5, isUp: (now) => (now < 20_000 || now > 22_300) && now < 40_000 },
      untilMs: 60_000,
      writeAtMs: 22_310,
    });
    expect(deadAt).toBeGreaterThan(40_000);
    expect(deadAt).toBeLessThanOrEqual(45_250);
  });

  it("is found within the budget, with less certainty, when its data came steadily, also after outages that its data ended", () => {
    const outages = [13_000, 60_000, 140_000];
    for (const isForgetful of [false, true]) {
      const { deadAt, judgement } = watchModel({
        budgetMs: 5000,
        path: {
          rttMs: 5,
          isUp: (now) => now < 400_000 && !outages.some((at) => now >= at && now < at + 1900),
        },
        peerWritesEveryMs: 300,
        untilMs: 600_000,
        isForgetful,
      });
      expect(deadAt).toBeGreaterThan(400_000);
      expect(deadAt).toBeLessThanOrEqual(405_250);
      expect(judgement.doubt).not.toBe(null);
    }
  });

  it("is found late, by probes three seconds apart, when it had answered one in three seconds", () => {
    const world = { answersEveryMs: 3000 };
    const { deadAt, judgement } = watchModel({
      budgetMs: 5000,
      path: cutAt(20_000),
      untilMs: HOUR_MS,
      world,
    });
    expect(deadAt).toBeGreaterThan(20_000 + 5 * 3000);
    expect(deadAt).toBeLessThan(20_000 + 60_000);
    expect(judgement.doubt).toMatch(/only one in 3\.\d s/);
  });
});
