import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Attempts } from "../../../src/core/judge/attempts.ts";
import { PathTiming } from "../../../src/core/judge/path-timing.ts";
import type { TcpInfo } from "../../../src/core/tcp-info.ts";

const BUDGET_MS = 10_000;
const CAP_MS = 2000;

function timingOf(told: Partial<TcpInfo>, rtoMaxMs: number | null = CAP_MS): PathTiming {
  const timing = new PathTiming(BUDGET_MS, rtoMaxMs);
  timing.learn({ state: "ESTABLISHED", ...told });
  return timing;
}

describe("the time an answer may take", () => {
  it.each([
    ["a LAN", 0.2, 204, 200, 50],
    ["a continent", 40, 244, 220, 120],
    ["another continent", 250, 600, 600, 540],
    // The last acknowledgment of the handshake was lost. A tenth and a twentieth of the budget are
    // added, not three round trips.
    ["a round trip that is an artefact", 3000, 9000, 4000, 3500],
  ])(
    "on %s with a round trip of %d ms and a timeout of %d ms: %d ms, at the end of the budget %d ms",
    (...row) => {
      const [, rttMs, rtoMs, answerWindowMs, hurriedWindowMs] = row;
      expect(timingOf({ rttMs, rtoMs })).toMatchObject({
        rttMs,
        rtoMs,
        answerWindowMs,
        hurriedWindowMs,
      });
    },
  );

  it("is always longer than the round trip, unless the kernel itself waits less", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.01, max: 5000, noNaN: true }),
        fc.integer({ min: 200, max: 5000 }),
        (rttMs, variance) => {
          const { answerWindowMs, hurriedWindowMs } = timingOf({ rttMs, rtoMs: rttMs + variance });
          expect(answerWindowMs).toBeGreaterThan(rttMs);
          expect(hurriedWindowMs).toBeGreaterThan(rttMs);
        },
      ),
    );
  });

  it("is not taken from a timeout that is already doubled, nor from a missing one", () => {
    const timing = timingOf({ rttMs: 40, rtoMs: 244 });
    timing.learn({
      state: "ESTABLISHED",
      rttMs: 40,
      rttVarMs: 60,
      rtoMs: 976,
      backoff: 2,
      retransmits: 2,
    });
    timing.learn({ state: "ESTABLISHED", rttMs: 40 });
    expect(timing).toMatchObject({ rtoMs: 244, answerWindowMs: 220 });
  });

  it.each([
    ["shorter", 5600, 9000],
    ["longer", 1, 201],
  ])(
    "is that with which the backoff began, also if it is %s than the last one read",
    (_, rttMs, rtoMs) => {
      const timing = timingOf({ rttMs, rtoMs });
      timing.learn({
        state: "ESTABLISHED",
        rttMs: 40,
        rttVarMs: 20,
        rtoMs: 1200,
        backoff: 2,
        retransmits: 2,
      });
      expect(timing.rtoMs).toBe(300);
    },
  );

  it("is at most that of the round trip where the backoff has reached the cap", () => {
    const info: TcpInfo = {
      state: "ESTABLISHED",
      rttMs: 40,
      rttVarMs: 20,
      rtoMs: 2000,
      backoff: 5,
    };
    const shorter = timingOf({ rttMs: 5600, rtoMs: 9000 });
    shorter.learn(info);
    expect(shorter.rtoMs).toBe(240);
    expect(shorter.retransmitsBeyond(8000, 5)).toBe(0);
    const longer = timingOf({ rttMs: 1, rtoMs: 201 });
    longer.learn(info);
    expect(longer.rtoMs).toBe(201);
  });

  it("is not taken from window probes, whose timeout the kernel counts up but does not double", () => {
    const timing = timingOf({ rttMs: 40, rtoMs: 244 });
    timing.learn({
      state: "ESTABLISHED",
      rttMs: 40,
      rttVarMs: 51,
      rtoMs: 244,
      backoff: 4,
      probes: 4,
    });
    expect(timing.rtoMs).toBe(244);
  });
});

describe("retransmissions", () => {
  const lan = timingOf({ rttMs: 0.2, rtoMs: 200 });

  it("wait twice as long each, up to the cap", () => {
    expect([0, 1, 2, 3, 4, 5].map((backoff) => lan.retransmitGapMs(backoff))).toEqual([
      200, 400, 800, 1600, 2000, 2000,
    ]);
    expect(timingOf({ rtoMs: 200 }, null).retransmitGapMs(20)).toBe(120_000);
  });

  it("take as long as the sum of their waits", () => {
    expect(lan.retransmitChainMs(0)).toBe(0);
    expect(lan.retransmitChainMs(5)).toBe(200 + 400 + 800 + 1600 + 2000);
  });

  it("leave beyond a span when the waits before them are as long as the span", () => {
    expect(lan.retransmitsBeyond(3000, 5)).toBe(2);
    expect(lan.retransmitsBeyond(3001, 5)).toBe(1);
    expect(lan.retransmitsBeyond(5001, 5)).toBe(0);
  });

  it("prove the least age of what is in flight", () => {
    const info: TcpInfo = { state: "ESTABLISHED", backoff: 3, lastDataSentMs: 70 };
    expect(lan.flightAgeMs(info)).toBe(70 + 200 + 400 + 800);
    expect(lan.flightAgeMs({ state: "ESTABLISHED" })).toBe(0);
  });
});

describe("attempts beyond a span", () => {
  const lan = timingOf({ rttMs: 0.2, rtoMs: 200 });
  const probes = new Attempts(4000);
  for (const [i, at] of [1000, 1600, 2200].entries()) probes.seen(i + 1, at, at);

  it("fit in when each has its answer window before the deadline", () => {
    // Probes at 5000, 5600 and 6200 outlast 4 s. The last one is answered within 50 ms or never.
    expect(lan.roomBeyond(4000, "idle", probes, 0, 6250, 0)).toBe(3);
    expect(lan.roomBeyond(4000, "idle", probes, 0, 6249, 0)).toBe(2);
    expect(lan.roomBeyond(4000, "idle", probes, 0, 5000, 0)).toBe(0);
  });

  it("fit in between the kernel's backoff steps in flight", () => {
    // After the tail loss probe at 200: 400, 800, 1600, 3200 and 5200 ms after the first
    // transmission.
    const withinMs = (ms: number): number =>
      lan.roomBeyond(1600, "in-flight", probes, 1000, 1000 + ms + lan.hurriedWindowMs, 0);
    expect([1599, 1600, 3199, 3200, 5199, 5200].map(withinMs)).toEqual([0, 1, 1, 2, 2, 3]);
  });

  it("fit in without a cap on backoff only where they leave even if the first one was a tail loss probe", () => {
    const timing = new PathTiming(8000, null);
    timing.learn({ state: "ESTABLISHED", rttMs: 0.2, rtoMs: 200 });
    // At 200, 600, 1400, 3000 and 6200 ms after the tail loss probe.
    expect(timing.roomBeyond(3200, "in-flight", probes, 1000, 7900, 0)).toBe(1);
  });

  it("are one more with a cap on backoff where data took over from probes: the next one is near", () => {
    const mixed = new Attempts(4000);
    mixed.seen(1, 1000, 1000);
    const before = lan.roomBeyond(1600, "in-flight", mixed, 1000, 3200, 0);
    mixed.takeOff();
    expect(lan.roomBeyond(1600, "in-flight", mixed, 1000, 3200, 0)).toBe(before + 1);
  });

  it("do not fit in behind a closed window, where backoff grows even while probes are answered", () => {
    expect(lan.roomBeyond(1000, "blocked", probes, 0, 60_000, 0)).toBe(0);
  });

  it("are not proven by backoff on an idle connection, which has none", () => {
    expect(lan.settledBeyond(500, "idle", probes, 60_000, 9)).toBe(0);
  });

  it("are proven in flight by all doublings but the last", () => {
    expect(lan.settledBeyond(1400, "in-flight", probes, 2300, 4)).toBe(
      lan.retransmitsBeyond(1400, 3),
    );
    expect(lan.settledBeyond(1400, "in-flight", probes, 2300, 4)).toBe(1);
  });
});

describe("window probes that a live peer may leave unanswered", () => {
  const lan = timingOf({ rttMs: 0.2, rtoMs: 200 });

  it("are one when the first followed an answered probe faster than a peer may answer", () => {
    expect(lan.unclearWindowProbes({ state: "ESTABLISHED", probes: 2, backoff: 2 })).toBe(1);
    expect(lan.unclearWindowProbes({ state: "ESTABLISHED", probes: 2, backoff: 6 })).toBe(0);
    expect(lan.unclearWindowProbes({ state: "ESTABLISHED", probes: 0, backoff: 0 })).toBe(0);
  });
});

it("a retransmission timeout of 0 is taken as missing", () => {
  const timing = new PathTiming(5000, null);
  const { rtoMs } = timing;
  timing.learn({ state: "ESTABLISHED", rtoMs: 0, rttMs: 0 });
  expect(timing.rtoMs).toBe(rtoMs);
  timing.learn({ state: "ESTABLISHED", rtoMs: 300, rttMs: 50 });
  expect(timing.rtoMs).toBe(300);
});
